"""Queries by sets of examples: like these, like those, and unlike others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError
from counterpoint.search._unit import unit


class SetQuery:
    """What is looked for, by example vectors: `a & b` is like both sets, `a - b` like the first and unlike the second.

    A text `x` scores `sum_i SIM(x, B_i) - sum_j SIM(x, C_j)` over the sets it should be like and those it should not;
    `SIM(x, S)` is the mean cosine of `x` with the members of `S`. So a difference of sets may begin with no set at all,
    `-c`, and the order in which sets are named changes nothing. What is ranked is the collection that the query is put
    to, and a query says in which order, not where the result ends. Source: Liu 2024, "SetCSE: Set Operations using
    Contrastive Learning of Sentence Embeddings" (operations and their series).

    Args:
        examples_kd: The vectors of one set, one or more.

    Raises:
        InputError: No examples, or vectors that are not finite.

    Examples:
        >>> red, round_ = SetQuery(np.array([[1.0, 0.0]])), SetQuery(np.array([[0.0, 1.0]]))
        >>> things = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> (red & round_).scores(things).round(2).tolist()
        [1.0, 1.0, 1.41]
        >>> (red - round_).scores(things).round(2).tolist()
        [1.0, -1.0, 0.0]
    """

    def __init__(self, examples_kd: Float[np.ndarray, "k d"]) -> None:
        examples_kd = np.asarray(examples_kd, dtype=np.float64)
        if examples_kd.ndim != 2 or not len(examples_kd) or not np.isfinite(examples_kd).all():
            raise InputError("a set is of one finite vector or more", fix="give a matrix with a row for each example")
        self.direction: Float[np.ndarray, " d"] = unit(examples_kd).mean(0)
        """The mean of unit vectors, summed over the sets: with a unit vector it gives the score."""

    def __and__(self, other: SetQuery) -> SetQuery:
        return self._of(self.direction + other.direction)

    def __sub__(self, other: SetQuery) -> SetQuery:
        return self._of(self.direction - other.direction)

    def __neg__(self) -> SetQuery:
        return self._of(-self.direction)

    def scores(self, texts_nd: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Of each vector of a collection; the highest first is what is looked for.

        Args:
            texts_nd: Of any length.
        """
        found: Float[np.ndarray, " n"] = unit(np.asarray(texts_nd, dtype=np.float64)) @ self.direction
        return found

    @classmethod
    def _of(cls, direction: Float[np.ndarray, " d"]) -> SetQuery:
        query = cls.__new__(cls)
        query.direction = direction
        return query
