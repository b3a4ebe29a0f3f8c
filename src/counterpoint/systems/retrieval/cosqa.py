"""CoCLR of CoSQA: a network matches every query with every code of the batch; positives' queries are rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.adapting import unscaled
from counterpoint.evaluate import evaluate_judged, place
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Logits, Objective, Pairs
from counterpoint.procedures import EveryPair, Procedure
from counterpoint.search.exact import ScoreRows
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.tasks import Collection
from counterpoint.testbeds import Figure, Made, Richer, Seen, Trained
from counterpoint.testbeds.code import JUDGED_CODE, MADE_JUDGED_CODE, SEEN_CODE
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig


def switched(words: list[str], generator: torch.Generator) -> list[str]:
    """Two different words change places."""
    kinds = list(dict.fromkeys(words))
    if len(kinds) > 1:
        a, b = (words.index(kinds[i]) for i in torch.randperm(len(kinds), generator=generator)[:2].tolist())
        words[a], words[b] = words[b], words[a]
    return words


def rewritten(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each query stands once more, rewritten, with its own code and none that is not."""
    del encoder
    generator = torch.Generator().manual_seed(seed)
    texts = list(data.anchors[data.anchor].texts)
    queries = Items("text", texts + [" ".join(switched(text.split(), generator)) for text in texts])
    negatives = data.negatives
    if negatives is not None:
        negatives = torch.cat([negatives, torch.full_like(negatives, -1)])
    assert data.positives is not None
    twice = {name: torch.cat([column, column]) for name, column in data.columns.items()}
    positives = torch.cat([data.positives, data.positives])
    anchor = torch.arange(len(queries))
    return replace(data, anchors=queries, anchor=anchor, positives=positives, negatives=negatives, columns=twice)


def matches() -> Objective:
    """The logistic loss, the mean over pairs that belong together and the mean over those that do not."""
    options: dict[str, Any] = {"shape": F.softplus, "geometry": Dot()}
    return Logits(1, Pairs(0.0, **options) + Pairs(None, 0.0, **options), column="apart")


def network(width: int) -> nn.Module:
    """From both vectors, their difference and product to one number."""
    return projection(4 * width, hidden=(width,), out=1, activation=nn.Tanh)


def every_pair(width: int) -> Procedure:
    """Every query with every code of the batch."""
    return EveryPair(network(width))


def judged_pairs(width: int) -> Procedure:
    """Every query with the codes that it was judged with."""
    return EveryPair(network(width), in_batch=False)


def pooled(encoder: nn.Module) -> nn.Module:
    """Vectors of any length."""
    return unscaled(encoder)


def in_batch() -> Recipe:
    """Without rewritten queries."""
    return coclr().varied("CoCLR, in-batch alone", prepare=())


def rewriting() -> Recipe:
    """Without codes of other rows."""
    return coclr().varied("CoCLR, rewriting alone", procedure=judged_pairs)


def labels_alone() -> Recipe:
    """What was judged, and nothing else."""
    return rewriting().varied("CoSQA without CoCLR", prepare=())


def cosines() -> Recipe:
    """InfoNCE, whose vectors are compared by their cosine."""
    return Recipe("InfoNCE", (Stage(lambda: InfoNCE(0.07), TrainConfig(batch_size=128)),), Takes("text", "text"))


def _rows(made: Made, queries: Items, documents: Items) -> Iterator[ScoreRows]:
    assert isinstance(made.procedure, EveryPair)
    u = torch.from_numpy(made.encoder.encode_items(queries, kind="query")).float()
    v = torch.from_numpy(made.encoder.encode_items(documents, kind="document")).float()
    for start in range(0, len(u), 8):
        with torch.inference_mode():
            scores = made.procedure.cpu().scores(u[start : start + 8], v)[..., 0].numpy()
        yield ScoreRows(scores, np.abs(scores).max(1))


def _matched(made: Made) -> float:
    if not isinstance(made.procedure, EveryPair):
        return found("mrr@10").of(made)
    test = made.parts[1]
    assert isinstance(test, Collection)
    places = place(_rows(made, test.queries, test.corpus), test.answers)
    return evaluate_judged(places.judged, metrics=("mrr@10",), samples=0)["mrr@10"].value


matched = Figure("mrr@10 by the network", _matched)
"""Of what has no such network, by the cosine."""


def _lead(made: Made) -> float:
    test, led = made.parts[1], []
    assert isinstance(test, Collection)
    asked = test.answers.judged[:64]
    own = [next(d for d, gain in test.answers.relevant[q].items() if gain > 0 and d >= 0) for q in asked]
    codes = test.corpus[torch.tensor(own)]
    for start, block in enumerate(_rows(made, test.queries[torch.tensor(asked)], codes)):
        for i, row in enumerate(block.scores_bm, 8 * start):
            led.append(row[i] - np.delete(row, i).mean())
    return float(np.mean(led))


lead = Figure("by how much the network puts a query's own code before others", _lead)
"""Its score less the mean of the scores of the codes of 63 other test queries."""
_CEILING = Seen(Richer(Trained(cosines), SEEN_CODE), matched)


def _better(text: str, against: str, baseline: Trained) -> Claim:
    return Claim(text, matched, against, JUDGED_CODE, baseline, ceiling=_CEILING)


@system(
    "CoSQA",
    title="CoSQA: 20,000+ Web Queries for Code Search and Question Answering",
    year=2021,
    family="retrieval",
    mechanism="tests/systems/test_cosqa.py::test_loss_is_that_of_a_naive_loop_over_every_pair",
    claims=(
        _better(
            "Codes of the batch and rewritten queries find more functions than judged pairs alone",
            "judged pairs alone, same steps",
            Trained(labels_alone),
        ),
        _better("Codes of the batch do so", "judged pairs and rewritten queries", Trained(rewriting)),
        _better("Rewritten queries do so", "codes of the batch alone", Trained(in_batch)),
    ),
    signal=Signal(lead, off=Trained(labels_alone)),
    sample=MADE_JUDGED_CODE,
    setup="Docstrings of Python as it is installed stand in for queries of the web, and a function that BM25 takes "
    "for another's for a pair that people found not to match: here such pairs are hard negatives of a row, and each "
    "has a row with its positive. A table of token vectors stands in for CodeBERT after CodeSearchNet, its mean for "
    "the pooled [CLS]; the network begins at random, where theirs has been trained, too, and is as wide as the "
    "vectors, as theirs of 768 is. The loss is the code's, two means over the whole batch, where the text sums three "
    "terms. Codes are found by the network, a pass for each pair, so that 200 docstrings are asked. Words are "
    "switched, which was the best of three ways; copies of a query's own code are no negatives. Answering questions "
    "(accuracy on pairs) is not measured, nor are the authors' data read. What `fit` saves are the vectors, without "
    "the network that they were trained for.",
)
def coclr() -> Recipe:
    """Huang et al. 2021 and their code: batches of 32, one rewritten query each, all pairs of a batch."""
    train = TrainConfig(epochs=10, batch_size=32, learning_rate=1e-6, schedule="linear")
    stage = Stage(matches, train, procedure=every_pair, prepare=(rewritten,))
    return Recipe("CoCLR", (stage,), Takes("text", "text"), adapt=pooled)
