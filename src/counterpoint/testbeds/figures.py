"""What is measured of a model on a testbed: one number, written once for all systems."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.evaluate import (
    effective_rank,
    equal_error_rate,
    evaluate_judged,
    few_shot,
    knn,
    mean_cosine,
    place,
    probe,
    tolerance,
)
from counterpoint.evaluate import uniformity as uniformity_of
from counterpoint.search.exact import ScoreRows
from counterpoint.tasks import Collection, Find, Similar, pairs
from counterpoint.testbeds.bed import Figure, Made

Vectors = Callable[[Made, Data], Float[np.ndarray, "n d"]]
"""Of the anchors of some rows."""


@runtime_checkable
class Ranks(Protocol):
    """What scores documents for queries without vectors."""

    def score_rows(self, queries: Items, documents: Items) -> Iterable[ScoreRows]:
        """Rows of scores of all documents, in the order of the queries."""
        ...


def representation(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """What the encoder makes of each anchor."""
    return made.encoder.encode_items(data.anchors[data.anchor])


def projection(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """What the loss is taken on: the head's output."""
    with torch.inference_mode():
        z: Tensor = made.head(torch.from_numpy(representation(made, data)))
    return z.numpy()


def labels(data: Data, column: str = "label") -> list[str]:
    """The label of each row, or another column, as words."""
    if column not in data.columns:
        raise InputError(f"the data have no column {column!r}", fix="choose data that have it")
    return [str(value) for value in data.columns[column].tolist()]


@cache
def probe_accuracy(column: str = "label", of: Vectors = representation, few: int = 0) -> Figure:
    """Accuracy of a logistic probe on standardised vectors, fitted on the training part.

    Args:
        column: What it tells.
        of: Of which vectors.
        few: Fitted on so many rows of the training part only, drawn by the seed; 0: on all.

    Examples:
        >>> probe_accuracy("domain", few=50).name
        'probe accuracy of domain with 50 labels'
    """
    what = "" if column == "label" else f" of {column}"
    where = "" if of is representation else f", {of.__name__}"
    return Figure(f"probe accuracy{what}{where}" + (f" with {few} labels" if few else ""), _probe(column, of, few))


def _probe(column: str, of: Vectors, few: int) -> Callable[[Made], float]:
    def measure(made: Made) -> float:
        train = made.train
        if few:
            chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(made.seed))[:few]
            train = train[chosen]
        said = tuned_probe(of(made, train), labels(train, column), of(made, made.test))
        return float((said == np.array(labels(made.test, column))).mean())

    return measure


def tuned_probe(
    x: Float[np.ndarray, "n d"], names: Sequence[str], y: Float[np.ndarray, "m d"], *, evenly: bool = False
) -> np.ndarray:
    """What a logistic probe of standardised `x` says of `y`, its penalty chosen on every fourth row of `x`.

    So each representation is read as well as it can be, narrow or wide: what suits 128 dimensions is too weak for the
    768 of pixels. The penalties are those of vectors divided by `d^0`, `d^(1/4)` and `d^(1/2)`.

    Args:
        x: To fit.
        names: The class of each row.
        y: To tell.
        evenly: Fit, and choose, on as many rows of each class: those of rare ones again and again.

    Source:
        Of `evenly`: Kang et al. 2020, "Decoupling Representation and Classifier for Long-Tailed Recognition",
        section 4.1 (cRT).

    Examples:
        >>> x = np.repeat(np.eye(2), 8, axis=0)
        >>> tuned_probe(x, ["a"] * 8 + ["b"] * 8, np.eye(2)).tolist()
        ['a', 'b']
    """
    from sklearn.preprocessing import StandardScaler

    label = np.array(names)
    held = np.arange(len(x)) % 4 == 3
    parts = [np.flatnonzero(part) for part in (held | ~held, ~held, held)]
    every, fit, chosen = [part[balanced(label[part])] for part in parts] if evenly else parts
    scaler = StandardScaler().fit(x[every])

    def said(of: np.ndarray, power: float, told: Float[np.ndarray, "k d"]) -> np.ndarray:
        scale = float(x.shape[1] ** -power)
        return probe(scaler.transform(x[of]) * scale, list(label[of]), scaler.transform(told) * scale)

    # where equal, the strongest
    best = max((0.5, 0.25, 0.0), key=lambda power: (said(fit, power, x[chosen]) == label[chosen]).mean())
    return said(every, best, y)


def balanced(names: np.ndarray) -> np.ndarray:
    """Rows of which every class has as many as the largest one: those of the others one after another, again.

    Examples:
        >>> balanced(np.array(["a", "a", "a", "b"])).tolist()
        [0, 1, 2, 3, 3, 3]
    """
    _, of, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.concatenate([np.resize(np.flatnonzero(of == c), counts.max()) for c in range(len(counts))])


@cache
def knn_accuracy(k: int = 5, column: str = "label", of: Vectors = representation) -> Figure:
    """Accuracy of the `k` nearest training items by cosine."""

    def measure(made: Made) -> float:
        x, y = of(made, made.train), of(made, made.test)
        said = knn(x, labels(made.train, column), y, k=k)
        return float((np.array(said) == np.array(labels(made.test, column))).mean())

    where = "" if of is representation else f", {of.__name__}"
    return Figure(f"{k}-nearest-neighbour accuracy{where}", measure)


@cache
def recall_within(k: int = 1, column: str = "label") -> Figure:
    """Recall@k among the test items themselves: whether any of an item's `k` nearest others has its label."""

    def measure(made: Made) -> float:
        z = F.normalize(torch.from_numpy(representation(made, made.test)), dim=1)
        cosine = (z @ z.T).fill_diagonal_(-math.inf)
        y = made.test.columns[column]
        hits = (y[cosine.topk(k).indices] == y[:, None]).any(1)
        return float(hits.float().mean())

    return Figure(f"recall@{k} among test items", measure)


@cache
def shots_accuracy(ways: int = 5, shots: int = 1, episodes: int = 600) -> Figure:
    """Few-shot accuracy on the classes of the test part (`counterpoint.evaluate.few_shot`), vectors of length one."""

    def measure(made: Made) -> float:
        z = F.normalize(torch.from_numpy(representation(made, made.test)), dim=1).numpy()
        result = few_shot(z, labels(made.test), ways=ways, shots=shots, episodes=episodes, samples=0, seed=made.seed)
        return float(result["accuracy"].value)

    return Figure(f"{ways}-way {shots}-shot accuracy on new classes", measure)


def _unit(made: Made, data: Data, of: Vectors = projection) -> Float[Tensor, "n d"]:
    return F.normalize(torch.from_numpy(of(made, data)), dim=1)


def _verification(made: Made) -> float:
    z, y = _unit(made, made.test, representation), made.test.columns["label"]
    i, j = torch.triu_indices(len(z), len(z), 1)
    return equal_error_rate((z @ z.T)[i, j].numpy(), (y[i] == y[j]).numpy())


verification_error = Figure("equal error rate of same class", _verification)
"""By the cosine of two test items."""


def _deviation(made: Made) -> float:
    z = _unit(made, made.test)
    return float(z.std(0).mean() * math.sqrt(z.shape[1]))


deviation = Figure("standard deviation of the projection's unit vectors", _deviation, spread=True)
"""Over test items, the mean over dimensions, times the root of their number: 0 if all are the same, 1 if spread evenly.

Source: Chen and He 2021, "Exploring Simple Siamese Representation Learning", section 4.1.
"""


def _rank(made: Made) -> float:
    return effective_rank(_unit(made, made.test), center=True)


rank = Figure("effective rank of the projection", _rank, spread=True)


def _representation_rank(made: Made) -> float:
    return effective_rank(_unit(made, made.test, representation), center=True)


representation_rank = Figure("effective rank of the representation", _representation_rank, spread=True)


def _cosine(made: Made) -> float:
    return mean_cosine(_unit(made, made.test))


cosine = Figure("mean cosine of the projection", _cosine, spread=True)
"""Which hides no collapse: 1 if all vectors are the same."""


def _uniformity(made: Made) -> float:
    return uniformity_of(_unit(made, made.test, representation))


uniform = Figure("uniformity of the representation", _uniformity)
"""Wang and Isola 2020, equation 2."""


def _tolerance(made: Made) -> float:
    return tolerance(_unit(made, made.test, representation), made.test.columns["label"])


tolerant = Figure("tolerance of the representation", _tolerance)
"""Wang and Liu 2021: the mean cosine of test items of the same class."""


@cache
def found(metric: str = "mrr@10") -> Figure:
    """A figure of retrieval over the test collection (`counterpoint.tasks.Find`): `mrr@10`, `ndcg@10`, `hit@20`, ...

    Pairs are a collection, too: each anchor should find its positives among those of all. What has `score_rows` and no
    vectors, such as BM25, ranks by them.
    """

    def measure(made: Made) -> float:
        test = made.parts[1] if isinstance(made.parts[1], Collection) else pairs(made.parts[1])
        if isinstance(made.encoder, Ranks):
            places = place(made.encoder.score_rows(test.queries, test.corpus), test.answers)
            return evaluate_judged(places.judged, metrics=(metric,), samples=0)[metric].value
        return Find(test, test, metrics=(metric,)).measure("", made.encoder).figures[metric].value

    return Figure(metric, measure)


def _spearman(made: Made) -> float:
    return Similar(made.test, made.test).measure("", made.encoder).figures["spearman"].value


spearman = Figure("Spearman correlation", _spearman)
"""Of the cosine of two texts with how similar people say they are."""


PICTURES = (probe_accuracy(), knn_accuracy(), deviation, rank, representation_rank, cosine)
"""Of every arm on labelled pictures."""
