"""Contexts of several texts as one vector: the mixtures of every two of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError
from counterpoint.search._unit import unit


def pairwise_mixtures(
    first_kd: Float[np.ndarray, "*n k d"], second_kd: Float[np.ndarray, "*n k d"], *, last: int = 0
) -> Float[np.ndarray, "*n d"]:
    """The sum over `i < j` of the mean of text `i` as a first and text `j` as a second, each brought to length one.

    With the unit vector of a candidate its inner product is the sum of the candidate's cosines with all mixtures: a
    late interaction without weights. A text is encoded once a part, and a new one adds its mixtures with all before it.
    Source: Erker et al. 2024, "Triple-Encoders: Representations That Fire Together, Wire Together", and the authors'
    code.

    Args:
        first_kd: What `k` texts in their order are as the first of two, of one context or of many.
        second_kd: What they are as the second.
        last: Only mixtures whose second is among so many at the end, so that a context costs as much as it is long; 0:
            all.

    Raises:
        InputError: Fewer than two texts, or other numbers of both.

    Examples:
        >>> first = np.array([[1.0, 0.0], [9.0, 9.0]])
        >>> second = np.array([[9.0, 9.0], [0.0, 1.0]])
        >>> pairwise_mixtures(first, second).round(4).tolist()
        [0.7071, 0.7071]
    """
    first_kd, second_kd = np.asarray(first_kd), np.asarray(second_kd)
    if first_kd.shape != second_kd.shape or first_kd.ndim < 2 or first_kd.shape[-2] < 2:
        raise InputError(
            f"texts {first_kd.shape} as a first and {second_kd.shape} as a second make no pairs",
            fix="give two texts or more, each as both",
        )
    k = first_kd.shape[-2]
    i, j = np.triu_indices(k, 1)
    kept = j >= (k - last if last else 0)
    mixed = (first_kd[..., i[kept], :] + second_kd[..., j[kept], :]) / 2
    total: Float[np.ndarray, "*n d"] = unit(mixed).sum(-2)
    return total
