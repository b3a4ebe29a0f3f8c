"""Titles for which BM25 finds the wrong description first: is it this one or that? Words that are shared do not say."""

from __future__ import annotations

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
from counterpoint.evaluate.places import Answers
from counterpoint.points import Points
from counterpoint.procedures import Call
from counterpoint.search import BM25
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import some_titles, titles
from counterpoint.testbeds.texts import SMALL_TITLES, TABLE
from counterpoint.training.lists import sides


def told_apart(seed: int) -> Parts:
    """Titles of the included corpus, each in a pair scored 1, with its own description, and in one scored 0.

    The other description is the first of all of its part that BM25 finds; titles whose own one it finds are not there.
    They are of every fourth training title and of those that are held out. The same for every seed.
    """
    del seed
    train, test = titles(0)
    assert isinstance(train, Data)
    assert isinstance(test, Collection)
    return _of_training(train, 4), _beside(test.queries, test.corpus, test.answers)


def few_told_apart(seed: int) -> Parts:
    """The same of 4,000 training titles and 3,000 descriptions: 200 titles to train on, and some for test."""
    train, test = some_titles(seed)
    assert isinstance(train, Data)
    assert isinstance(test, Collection)
    return _of_training(train, 1)[torch.arange(400)], _beside(test.queries, test.corpus, test.answers)


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
    rows = torch.arange(len(train))[::every]
    own = {i: {int(d): 1.0} for i, d in enumerate(train.positives[rows, 0])}
    answers = Answers([""] * len(rows), len(train.others), own, {})
    return _beside(train.anchors[train.anchor[rows]], train.others, answers)


def _beside(queries: Items, descriptions: Items, answers: Answers) -> Data:
    texts, asked, examples = list(descriptions.texts), list(queries.texts), []
    found, _ = BM25(texts).search(asked, 1)
    for i in answers.judged:
        own = texts[next(d for d, gain in answers.relevant[i].items() if gain > 0 and d >= 0)]
        first = int(found[i, 0])
        if first >= 0 and texts[first] != own:
            pair = ((own, 1.0), (texts[first], 0.0))
            examples += [Example(asked[i], (text,), score=score) for text, score in pair]
    return rows_of(examples, "included corpus, told apart")


_START = "a random table of token vectors (20,000 x 256)"
TOLD_APART = replace(
    SMALL_TITLES,
    name="titles, told apart",
    parts=told_apart,
    about="included corpus: titles whose own description BM25 does not find first, 7,984 pairs with it and with what "
    f"BM25 finds, to train on, and 1,282 of held-out titles for test; {_START} from scratch, 400 steps of 128 at a "
    "rate of 0.02",
    steps=400,
    settings=TABLE | {"batch_size": 128},
    figures=(right,),
)
FEW_TOLD_APART = replace(
    TOLD_APART,
    name="titles, few told apart",
    parts=few_told_apart,
    about=f"the same of 4,000 titles and 3,000 descriptions, 400 pairs to train on; {_START}, 40 steps of 32 at a "
    "rate of 0.02",
    steps=40,
    settings=TABLE | {"batch_size": 32},
)
