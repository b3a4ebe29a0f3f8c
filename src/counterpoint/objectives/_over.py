"""Over what a row objective is averaged: rows, the terms of all rows together, or only the terms that are not 0."""

from __future__ import annotations

from typing import Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor

from counterpoint.engine.blocks import weighted_mean

Over: TypeAlias = Literal["rows", "terms", "active"]


def mean_over(
    terms: Float[Tensor, "b t"], weight: Float[Tensor, "b t"], over: Over
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Each row's mean over its terms, and how much the row counts for in the mean over rows.

    A row counts for 1 (`"rows"`), for the weight of its terms (`"terms"`: the mean over rows is then the mean over the
    terms of all rows), or for the weight of its terms above 0 (`"active"`: the mean over the terms that still ask for
    something; a row without any is left out).

    Args:
        terms: Any finite number where the weight is 0.
        weight: 0 or more.
        over: See above.

    Examples:
        >>> import torch
        >>> terms, weight = torch.tensor([[4.0, 0.0], [1.0, 9.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
        >>> for over in ("rows", "terms", "active"):
        ...     loss, counts = mean_over(terms, weight, over)
        ...     print(loss.tolist(), counts.tolist(), ((loss * counts).sum() / counts.sum()).item())
        [2.0, 1.0] [1.0, 1.0] 1.5
        [2.0, 1.0] [2.0, 1.0] 1.6666666269302368
        [4.0, 1.0] [1.0, 1.0] 2.5
    """
    if over == "active":
        weight = weight * (terms > 0)
    total = weight.sum(1)
    return weighted_mean(terms, weight), (total > 0).to(terms.dtype) if over == "rows" else total
