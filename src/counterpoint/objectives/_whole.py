"""Row objectives whose rows need each other: computed on everybody's rows at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.objectives._base import Reduction, RowObjective
from counterpoint.objectives._layouts import Guide, Sides
from counterpoint.objectives.mining import weighted
from counterpoint.points import Points


class WholeObjective(RowObjective):
    """A row objective whose equation, `together`, sees all rows of all processes in one block, in order.

    So a row may use statistics of the batch, or the rows of its own keys. There is nothing to block: memory is that of
    the `(n, m)` scores, on every process.
    """

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's loss, and whether, or for how much, the row counts."""
        raise NotImplementedError

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """`together`, in which padding is no row."""
        if "valid" in block.columns:
            seen = block.columns["valid"][:, None]
            block = weighted(block, seen, seen)
        return self.together(block)

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The loss of everybody's rows, of which this process contributes its share."""
        del block
        if group is None:
            return super().loss(sides, 0, None, reduction)
        spread, mine, start = sides.spread, len(sides.queries), sides.offset(len(sides.queries))

        def every(value: Tensor | None) -> Tensor | None:
            return None if value is None else spread(Points(value)).z

        guide = Guide(every(sides.guide.queries), every(sides.guide.keys), every(sides.guide.owned))
        value = super().loss(
            replace(
                sides,
                queries=spread(sides.queries),
                keys=None if sides.keys is None else spread(sides.keys),
                owned=None if sides.owned is None else spread(sides.owned),
                guide=guide,
                spread=lambda points: points,
                offset=lambda _n: 0,
            ),
            0,
            None,
            reduction,
        )
        if reduction == "none":
            return value[start : start + mine]
        # all processes have the same value; each contributes its share, and shares are summed
        share = value / dist.get_world_size(group)
        return share + (value - share).detach()
