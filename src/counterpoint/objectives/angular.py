"""Softmax over angles: margins that multiply or turn the angle of a positive, with lengths put back if wanted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.engine.rows import Rows
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Guide, Layout, Sides, problems
from counterpoint.objectives.softmax import softmax_rows

Lengths: TypeAlias = Literal["none", "query", "both"]


class _Lengths(Dot):
    """A query's length as a query times a key's as a key."""

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Of two numbers a point."""
        return super().shared(q[:, :1], k[:, 1:], scale)


class AngularSoftmax(RowObjective):
    """InfoNCE whose positives score `psi(theta)` instead of `cos(theta)`, times the vectors' lengths.

    `psi(theta) = (-1)^k cos(multiply * theta) - 2 k`, `k = floor(multiply * theta / pi)`, falls all the way from 1 to
    `1 - 2 multiply`; with a `turn` it is `cos(theta + turn)`. A positive turn is ArcFace's margin (see `InfoNCE`), a
    negative one a slack (Tuplet margin). Known as:

    | loss | |
    |---|---|
    | large-margin softmax | `multiply=4, lengths="both"` |
    | SphereFace | `multiply=4, lengths="query"` |
    | tuplet margin | `turn=-0.1` |

    Sources: Liu et al. 2016, "Large-Margin Softmax Loss", eq. 6 and 7; Liu et al. 2017, "SphereFace"; Yu and Tao
    2019, "Deep Metric Learning with Tuplet Margin Loss".

    Args:
        temperature: A number or a learned `Temperature`.
        multiply: A whole number, 1 or more.
        turn: In radians.
        lengths: Scores are cosines times the length of the query, of both, or of none.
        layout: Which keys a query sees.
        **options: `relation`, see `RowObjective`. The geometry is the cosine.

    Raises:
        InputError: for a multiplier below 1, one together with a turn, or lengths in the joint layout.

    Examples:
        >>> q, k = torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> round(AngularSoftmax(1.0, multiply=2)(q, k).item(), 4)  # at angle 0 nothing changes: log(1 + exp(-1))
        0.3133
    """

    def __init__(
        self,
        temperature: float | Temperature = 1.0,
        *,
        multiply: int = 1,
        turn: float = 0.0,
        lengths: Lengths = "none",
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        if multiply < 1 or (multiply > 1 and turn):
            raise InputError(f"the angle times {multiply} plus {turn}", fix="multiply by 1 or more, or turn")
        if layout == "joint" and lengths != "none":
            raise InputError("the joint layout has no place for lengths", fix="use another layout, or lengths='none'")
        self.multiply, self.turn, self.lengths = multiply, turn, lengths

    def problems(self, sides: Sides) -> list[Rows]:
        """The products of lengths go where a guide's scores would."""
        if self.lengths == "none":
            return super().problems(sides)

        def lengths(z: Tensor) -> Tensor:
            """As a query, and as a key."""
            norm = z.norm(dim=-1)
            return torch.stack([norm, norm if self.lengths == "both" else torch.ones_like(norm)], -1)

        q, k, owned = sides.queries.z, sides.keys, sides.owned
        guide = Guide(
            lengths(q),
            None if k is None else lengths(k.z),
            None if owned is None else lengths(q)[:, :1] * lengths(owned.z)[..., 1],
        )
        every = problems(self.layout, replace(sides, guide=guide).prepared(self.geometry, _Lengths()), self.relation)
        return [Rows(panels, self.geometry, _Lengths()) for panels in every]

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Change the positives, put the lengths back, and take InfoNCE."""
        cosine = block.scores / block.scale
        scores = torch.where(block.positive > 0, self._psi(cosine), cosine) * block.scale
        if block.guide is not None:
            scores = scores * block.guide
        weights = block.positive, block.negative
        return softmax_rows(Block(scores, weights, columns=block.columns, scale=block.scale), "each", "outside")

    def _psi(self, cosine: Float[Tensor, "b m"]) -> Float[Tensor, "b m"]:
        if self.turn:
            # the root has no gradient where the angle is 0
            sine = (1 - cosine.square()).clamp_min(torch.finfo(cosine.dtype).eps).sqrt()
            return cosine * math.cos(self.turn) - sine * math.sin(self.turn)
        theta = torch.acos(cosine.detach().clamp(-1, 1))
        times = (theta * self.multiply / math.pi).floor().clamp_max(self.multiply - 1)
        # cos(m theta) as a polynomial of cos(theta), whose gradient is finite everywhere
        before, now = torch.ones_like(cosine), cosine
        for _ in range(self.multiply - 1):
            before, now = now, 2 * cosine * now - before
        return (1 - 2 * (times % 2)) * now - 2 * times
