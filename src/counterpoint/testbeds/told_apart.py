"""Two titles and their two descriptions, which BM25 takes for each other's: which belong together?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import CrossEncoder, Kind
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import Call
from counterpoint.search import BM25
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import titles
from counterpoint.testbeds.texts import SMALL_TITLES, TABLE
from counterpoint.training.lists import sides

_DEPTH = 20


def told_apart(seed: int) -> Parts:
    """Titles of the included corpus two by two, each with both descriptions: scored 1 with its own, 0 with the other.

    A title is with one whose description BM25 finds before its own. Neither a title nor a description alone tells
    anything. To train on there are every other training title and its description,
    for test the held-out ones. The same for every seed.
    """
    del seed
    train, test = titles(0)
    assert isinstance(train, Data)
    assert isinstance(test, Collection)
    return _of_training(train, 2), _of_test(test)


def few_told_apart(seed: int) -> Parts:
    """400 pairs of these to train on; the test is the same."""
    train, test = told_apart(seed)
    return train[torch.arange(400)], test


class ReadTogether:
    """A cross-encoder in an encoder's place: it has no vectors, and scores pairs."""

    def __init__(self, model: CrossEncoder) -> None:
        self.model = model

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """None.

        Raises:
            InputError: Always.
        """
        del items, kind
        raise InputError("a cross-encoder has no vectors", fix="ask for a figure of pairs")


def scores_of(made: Made, data: Data) -> tuple[Float[np.ndarray, " n"], bool]:
    """What is said of each pair, and whether these are logits: by what reads both, by the head of pairs, by the cosine.

    Examples:
        >>> from counterpoint.testbeds.lexical import TfIdf
        >>> data = rows_of([Example("a cat", ("cat", ), score=1.0), Example("a dog", ("cat",), score=0.0)])
        >>> scores_of(Made("", TfIdf(["a cat", "a dog"]), (data, data), 0), data)[0].round(1).tolist()
        [1.0, 0.0]
    """
    if isinstance(made.encoder, ReadTogether):
        return made.encoder.model.score(*sides(data)), True
    assert data.others is not None
    assert data.positives is not None
    u, v = (
        torch.from_numpy(made.encoder.encode_items(items[rows])).float()
        for items, rows in ((data.anchors, data.anchor), (data.others, data.positives[:, 0]))
    )
    if made.procedure is None:
        return torch.cosine_similarity(u, v).numpy(), False
    with torch.inference_mode():
        (call,) = made.procedure.eval().cpu()([{"queries": Points(u), "keys": Points(v)}], _alone)
    said: np.ndarray = call["queries"].z[:, 0].numpy()
    return said, True


def _alone(model: nn.Module) -> Call:
    del model
    raise InputError("a head of pairs asks for no other model", fix="give one of pairs alone")


def _told(made: Made) -> float:
    said, logits = scores_of(made, made.test)
    bound = 0.0 if logits else _best_bound(scores_of(made, made.train)[0], made.train.columns["score"].numpy())
    return float(((said > bound) == (made.test.columns["score"].numpy() > 0)).mean())


right = Figure("accuracy of pairs", _told)
"""Of which test pairs are right, by the sign of their logits; of a cosine, by the bound that is best on training."""


def _spread(made: Made) -> float:
    return float(scores_of(made, made.test)[0].std())


spread_of_logits = Figure("standard deviation of the logits of pairs", _spread)
"""Over test pairs: how sure it is of them."""


def _best_bound(said: Float[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    order = np.argsort(said)
    # right are those above that are pairs and those up to it that are none
    gain = np.cumsum(np.where(score[order] > 0, -1, 1))
    return float(said[order][gain.argmax()])


def _of_training(train: Data, every: int) -> Data:
    assert train.others is not None
    assert train.positives is not None
    some = train[torch.arange(len(train))[::every]]
    assert some.others is not None
    assert some.positives is not None
    return _two_by_two(some.anchors[some.anchor].texts, some.others[some.positives[:, 0]].texts)


def _of_test(test: Collection) -> Data:
    asked, relevant = test.answers.judged, test.answers.relevant
    own = [next(d for d, gain in relevant[q].items() if gain > 0) for q in asked]
    return _two_by_two(test.queries[torch.tensor(asked)].texts, test.corpus[torch.tensor(own)].texts)


def _two_by_two(titles: Sequence[str], own: Sequence[str]) -> Data:
    found, _ = BM25(own).search(titles, _DEPTH)
    left, examples = set(range(len(own))), []
    for i, ranked in enumerate(found.tolist()):
        first = ranked[: ranked.index(i)] if i in ranked else ranked
        other = next((j for j in first if j in left and own[j] != own[i]), None)
        if i in left and other is not None:
            left -= {i, other}
            for title, right_one, wrong in ((i, i, other), (other, other, i)):
                examples.append(Example(titles[title], (own[right_one],), score=1.0))
                examples.append(Example(titles[title], (own[wrong],), score=0.0))
    return rows_of(examples, "included corpus, told apart")


_START = "a random table of token vectors (20,000 x 256)"
TOLD_APART = replace(
    SMALL_TITLES,
    name="titles, told apart",
    parts=told_apart,
    about="included corpus: titles two by two, each with its own description and with the other's, which BM25 finds "
    f"first for one of them, 20,796 pairs to train on and 1,092 of held-out titles for test; {_START} from scratch, "
    "800 steps of 128 (5 passes) at a rate of 0.02",
    steps=800,
    settings=TABLE | {"batch_size": 128},
    figures=(right,),
)
FEW_TOLD_APART = replace(
    TOLD_APART,
    name="titles, few told apart",
    parts=few_told_apart,
    about=f"400 of these pairs to train on, the same test; {_START}, 40 steps of 32 at a rate of 0.02",
    steps=40,
    settings=TABLE | {"batch_size": 32},
)
