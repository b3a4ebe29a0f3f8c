"""What keeps sparse vectors sparse: how many products a search over them would take."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective, Reduction
from counterpoint.objectives._layouts import Sides
from counterpoint.points import Points


class FLOPS(PointObjective):
    """How many products of one query with one key are not 0, made smooth: `sum_v (mean_i |z_iv|)^2` of each side.

    `w_q FLOPS(queries) + w_k FLOPS(keys)`, all keys; both weights grow with the square of the step, up to `ramp` steps.
    It draws most where many vectors have a value, so that dimensions are used evenly, as an inverted index wants it.

    Sources: Paria et al. 2020, "Minimizing FLOPs to Learn Efficient Sparse Representations"; the ramp and two weights:
    Formal et al. 2021, "SPLADE: Sparse Lexical and Expansion Model for First Stage Ranking".

    Args:
        queries: `w_q`, 0 or more; the default is that of HybridPQA's code.
        keys: `w_k`, likewise; without keys nothing.
        ramp: Steps until the weights are whole; 0: from the beginning.

    Raises:
        InputError: A weight or a number of steps below 0.

    Examples:
        >>> z = torch.tensor([[3.0, 0.0], [1.0, 0.0]])
        >>> FLOPS(0.5, 1.0)(z, z.flip(1)).item()  # 2^2 on one dimension of each
        6.0
    """

    step: Tensor

    def __init__(self, queries: float = 3e-4, keys: float = 1e-4, *, ramp: int = 0) -> None:
        super().__init__(geometry=Dot())
        if min(queries, keys, ramp) < 0:
            raise InputError(f"weights {queries} and {keys} after {ramp} steps", fix="give 0 or more of each")
        self.queries, self.keys, self.ramp = queries, keys, ramp
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """See `PointObjective`; a call in training is a step."""
        self.step += int(self.training)
        return super().loss(sides, block, group, reduction)

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Over all points, whatever they are paired with."""
        del i, j
        grown = min(1.0, int(self.step) / self.ramp) ** 2 if self.ramp else 1.0
        value = self.queries * _products(queries.z)
        return grown * (value if keys is queries else value + self.keys * _products(keys.z))


def _products(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    mean: Tensor = z.abs().mean(0) if len(z) else z.sum(0)
    return mean.square().sum()
