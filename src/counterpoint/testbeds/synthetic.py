"""Vectors made of features of known strength: what is to be learned is known, and what a linear encoder learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.features import Kind
from counterpoint.evaluate import probe
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.figures import Vectors, labels, representation
from counterpoint.views import View

DIMENSIONS, NOISE = 40, 0.5
EQUAL, FLIPS = ("feature 0", "feature 1", "feature 2", "feature 3"), (0.0, 0.05, 0.1, 0.2)
"""Features of strength 1, and how often a view flips the sign of each."""
BIASED = ("label", "subclass", "easy 0", "easy 1", "easy 2", "easy 3", "easy 4", "easy 5")
"""A class and a subclass of strength 1, and what is easier and says nothing of them, of strength 2."""
_N = 2000


def features(n: int, strengths: Sequence[float], names: Sequence[str], seed: int) -> Data:
    """`x = sum_k strength_k s_k e_k` in 40 dimensions with independent fair signs `s_k`.

    A column of each name tells which of its signs are +.

    Examples:
        >>> data = features(3, (1.0, 2.0), ("label", "easy"), 0)
        >>> bool((data.anchors.tensor[:, 1].sign() * 2 == data.anchors.tensor[:, 1]).all())
        True
    """
    generator = torch.Generator().manual_seed(seed)
    present = torch.randint(2, (n, len(strengths)), generator=generator)
    x = torch.zeros(n, DIMENSIONS)
    x[:, : len(strengths)] = torch.tensor(strengths) * (2 * present - 1)
    columns = {name: present[:, k] for k, name in enumerate(names)}
    return Data(Items("vector", x), torch.arange(n), columns=columns, source="synthetic features")


def noisy(flips: Sequence[float] = (), first: int = 0) -> View:
    """A view of vectors: Gaussian noise on every dimension, and signs flipped with these odds, from feature `first`."""
    odds = torch.zeros(DIMENSIONS)
    odds[first : first + len(flips)] = torch.tensor(tuple(flips))

    def view(x: Tensor) -> Tensor:
        kept = torch.where(torch.rand_like(x) < odds, -1.0, 1.0)
        return x * kept + NOISE * torch.randn_like(x)

    return view


class Linear(nn.Module):
    """A linear encoder of vectors from a small random start, from which theory says simple solutions follow.

    Args:
        width: Of the vectors.
        out: Of what it makes of them.
        scale: Of the start.

    Examples:
        >>> Linear(40, 4).encode_items(Items("vector", torch.zeros(2, 40))).shape
        (2, 4)
    """

    modality = "vector"

    def __init__(self, width: int, out: int, scale: float = 0.1) -> None:
        super().__init__()
        self.dim = out
        self.weight = nn.Parameter(torch.randn(out, width) * (scale / width**0.5))

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """`W x`, with gradient."""
        return x @ self.weight.T

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n e"]:
        """One row an item."""
        del kind
        with torch.inference_mode():
            return np.asarray(self(items.tensor).numpy())


def biased(seed: int) -> Parts:
    """A class and a subclass behind easier features."""
    whole = features(2 * _N, (1.0, 1.0) + (2.0,) * (len(BIASED) - 2), BIASED, seed)
    return whole[torch.arange(_N)], whole[torch.arange(_N, 2 * _N)]


def equal(seed: int) -> Parts:
    """Features of strength 1."""
    whole = features(2 * _N, (1.0,) * len(EQUAL), EQUAL, seed)
    return whole[torch.arange(_N)], whole[torch.arange(_N, 2 * _N)]


@cache
def told(column: str, few: int, of: Vectors = representation) -> Figure:
    """Accuracy of a logistic probe for a feature on embeddings as they are, of vectors that noise was added to.

    Not standardised, which would make up for how little an encoder weighs a feature.

    Args:
        column: The feature's.
        few: Fitted on so many rows of the training part.
        of: Of which vectors.
    """
    where = "" if of is representation else f", {of.__name__}"
    return Figure(f"probe accuracy of {column} with {few} labels{where}", _told(column, few, of))


def _told(column: str, few: int, of: Vectors) -> Callable[[Made], float]:
    def measure(made: Made) -> float:
        train = made.train[torch.arange(few)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(made.seed)
            z = [of(made, _disturbed(data)) for data in (train, made.test)]
        return float((probe(z[0], labels(train, column), z[1]) == np.array(labels(made.test, column))).mean())

    return measure


def _disturbed(data: Data) -> Data:
    return Data.alone(Items("vector", noisy()(data.anchors.tensor[data.anchor])))


@cache
def unevenness(of: Vectors = representation) -> Figure:
    """The greatest over the smallest weight of a feature: the lengths of the images of their unit vectors."""
    where = "" if of is representation else f", {of.__name__}"
    return Figure(f"greatest over smallest weight of a feature{where}", _unevenness(of))


def _unevenness(of: Vectors) -> Callable[[Made], float]:
    def measure(made: Made) -> float:
        units = torch.eye(DIMENSIONS)[: len(made.train.columns)]
        lengths = np.linalg.norm(of(made, Data.alone(Items("vector", units))), axis=1)
        return float(lengths.max() / lengths.min())

    return measure


def _phi(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


MOST = _phi(1 / NOISE)
"""How often a feature of strength 1 can be told through the noise."""
_TRAINING = "linear encoders from a small start, plain gradient descent, 1,500 steps of 256"
_GRADIENT_DESCENT = {
    "optimizer": "sgd", "weight_decay": 0.0, "batch_size": 256, "dtype": "float32",
    "clip": 0.0, "chunk_tokens": 1 << 24,
}  # fmt: skip
BIASED_FEATURES = Testbed(
    "biased features",
    biased,
    f"{_N:,} vectors of {DIMENSIONS} dimensions with a class and a subclass feature of strength 1 and "
    f"{len(BIASED) - 2} irrelevant ones of strength 2, noise of {NOISE} drawn anew in every view, as many for test; "
    + _TRAINING,
    steps=1500,
    settings=_GRADIENT_DESCENT | {"learning_rate": 0.02},
)
EQUAL_FEATURES = Testbed(
    "equal features",
    equal,
    f"{_N:,} vectors of {DIMENSIONS} dimensions with {len(EQUAL)} features of strength 1, whose signs a view flips "
    f"with probability {', '.join(map(str, FLIPS))}, noise of {NOISE} drawn anew in every view, as many for test; "
    + _TRAINING,
    steps=1500,
    settings=_GRADIENT_DESCENT | {"learning_rate": 0.1},
)
