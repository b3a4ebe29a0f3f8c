"""What a task is: a question that is asked of an encoder, written once for all modalities."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from counterpoint.data.items import Data, Items
from counterpoint.encoders.features import Kind
from counterpoint.evaluate import Figure, Found
from counterpoint.geometry import Ragged
from counterpoint.report.content import Map, QueryList, Scores
from counterpoint.search.exact import Metric


class Encodes(Protocol):
    """What a task needs of an encoder. One with an attribute `similarity` says how its vectors are compared."""

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row an item; `kind` chooses the side and the prompt."""
        ...


@dataclass(frozen=True)
class Measured:
    """One system's figures on the test, and what it said of each item."""

    name: str
    figures: dict[str, Figure]
    found: Found | None = None
    z: tuple[Float[np.ndarray, "n d"], ...] = ()
    similarity: Metric = "cosine"
    about: str = ""
    answered: float | None = None
    """The share of queries that it found any document for; None where it ranks all documents."""
    parts: tuple[Measured, ...] = ()
    """What it is put together from, where a task asks in both directions."""


@runtime_checkable
class EncodesEach(Encodes, Protocol):
    """What gives several vectors an item, which are compared by late interaction (`counterpoint.search.maxsim`)."""

    def encode_each(self, items: Items, *, kind: Kind = None) -> Ragged:
        """The vectors of each item."""
        ...


class Task(abc.ABC):
    """How good is an encoder? On dev while training, on test before and after.

    Attributes:
        metric: The figure to choose by.
        unit: What figures are means over, in the plural.
        lower: The figures that are better when lower.
        notes: What must be known to read the figures, such as what was left out of them and why; sentences.
    """

    metric: str
    unit: str
    lower: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @abc.abstractmethod
    def validate(self, encoder: Encodes) -> float:
        """The metric on dev."""

    @abc.abstractmethod
    def measure(self, name: str, encoder: Encodes) -> Measured:
        """All figures on test, with intervals."""

    def baselines(self, language: str = "auto") -> list[Measured]:
        """Systems without an encoder; `language` is that of the texts, see `BM25`."""
        del language
        return []

    def combined(self, baselines: Sequence[Measured], trained: Measured) -> list[Measured]:
        """The trained encoder together with a baseline."""
        del baselines, trained
        return []

    @abc.abstractmethod
    def scores(self, measured: Measured) -> Scores:
        """Similarities of items that belong together and of items that do not."""

    @abc.abstractmethod
    def picture(self, before: Measured, after: Measured) -> Map:
        """Some test items in two dimensions."""

    def queries(self, before: Measured, after: Measured) -> tuple[QueryList, ...]:
        """Test queries worth looking at."""
        del before, after
        return ()


def anchors_of(data: Data) -> Items:
    """The anchor of each row."""
    return data.anchors[data.anchor]


def encoded(encoder: Encodes, items: Items) -> Float[np.ndarray, "n d"]:
    """Vectors of length one."""
    return normalised(encoder.encode_items(items))


def comparable(z: Float[np.ndarray, "n d"], metric: Metric) -> Float[np.ndarray, "n d"]:
    """Vectors as they are compared: for the cosine of length one."""
    return normalised(z) if metric == "cosine" else z


def counted(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " q"], metric: Metric) -> Scores:
    """Similarities in bins, over all that there can be or are."""
    both = np.concatenate([positive, negative])
    span = (-1.0, 1.0) if metric == "cosine" else (float(both.min()), max(float(both.max()), float(both.min()) + 1e-6))
    return Scores.count(positive, negative, span=span, similarity=metric)


def normalised(z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Scaled to length one; what is zero stays so."""
    norm: np.ndarray = np.linalg.norm(z, axis=1, keepdims=True)
    return np.asarray(z / np.where(norm > 0, norm, 1.0))
