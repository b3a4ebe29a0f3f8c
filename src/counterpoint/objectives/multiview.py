"""Many views of a sample in one term: MV-InfoNCE and MV-DHEL."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives._base import Reduction, ScoredObjective
from counterpoint.objectives._layouts import Sides
from counterpoint.points import Points
from counterpoint.relation import Relation, same


class MultiView(ScoredObjective):
    """One term a sample, in which all pairs of its views stand at once.

    `-log sum_{l != m} exp(s(u_il, u_im)) + D_i`, the sum over the ordered pairs of views of sample i, with

    - `denominator="all"`, MV-InfoNCE: `D_i = log sum_l sum_{(j, m) != (i, l)} exp(s(u_il, u_jm))`;
    - `denominator="each-view"`, MV-DHEL: `D_i = sum_l log sum_{j != i} exp(s(u_il, u_jl))`, each view by itself against
      the same view of the other samples; each pair of views counts once.

    Source: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning", section IV, and the
    authors' code.

    Args:
        temperature: A number or a learned `Temperature`.
        denominator: See above; `"each-view"` needs a `view` column.
        **options: `geometry`, `relation` (the positives must be those of a column), see `RowObjective`.

    Raises:
        InputError: in a call, for unreduced losses, other positives, or views that are not named.

    Examples:
        >>> views = Points(torch.eye(2)[[0, 1, 0, 1]], sample=torch.tensor([0, 1, 0, 1]))
        >>> round(MultiView(1.0)(views).item(), 4)  # log(2 e + 4) - log(2 e)
        0.5514
    """

    def __init__(
        self,
        temperature: float | Temperature = 0.2,
        *,
        denominator: Literal["all", "each-view"] = "all",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout="views", **options)
        self.denominator = denominator

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """Log-sums of every row, then one term a sample."""
        rule, apart = self.relation.positive, self.denominator == "each-view"
        if reduction != "mean" or not isinstance(rule, same):
            raise InputError(
                "MultiView has one value a sample, none a row", fix="use reduction='mean' and positives by a column"
            )
        (problem,) = self.problems(sides)
        columns = problem.panels[0].queries.columns
        if rule.column not in columns or (apart and "view" not in columns):
            raise InputError(
                "MultiView needs to know which sample and which view a point is",
                fix=f"give a {rule.column!r} and a 'view' column",
            )
        if apart:
            others = ~same("view") & ~rule
            relation = Relation(rule, self.relation.ignored | others, self.relation.negative)
            for panel in problem.panels:
                panel.relation = relation
        values, _, self.left_out = self.run(problem, self._sums, block, per_row=True)
        # where there is nothing to see there is one 0 a row, which is part of the graph all the same
        values = values if values.ndim == 2 else values[:, None].expand(-1, 3)
        every = Points(values, sample=rule.ids(columns))
        if group is not None:
            every = distributed.gather(every, group)
        every = every[every.z[:, 2] > 0]
        ids, place = torch.unique(every.columns["sample"], return_inverse=True)
        positives = _log_sums(every.z[:, 0], place, len(ids))
        if apart:
            rest = every.z.new_zeros(len(ids)).index_add(0, place, every.z[:, 1])
            positives = positives - math.log(2)
        else:
            rest = torch.logaddexp(_log_sums(every.z[:, 1], place, len(ids)), positives)
        value = (rest - positives).mean() if len(ids) else values.sum() * 0
        if group is None:
            return value
        # everybody has the same value; each contributes its share
        share = value / dist.get_world_size(group)
        return share + (value - share).detach()

    def _sums(self, block: Block) -> tuple[Float[Tensor, "b 3"], Bool[Tensor, " b"]]:
        """Log-sums over positives and over negatives, and a 1 where the row counts."""
        positive, negative = block.positive > 0, block.negative > 0
        nothing = torch.finfo(block.scores.dtype).min / 4
        sums = [torch.logsumexp(torch.where(seen, block.scores, nothing), 1) for seen in (positive, negative)]
        return torch.stack([*sums, torch.ones_like(sums[0])], 1), positive.any(1) & negative.any(1)


def _log_sums(value: Float[Tensor, " n"], place: Tensor, number: int) -> Float[Tensor, " s"]:
    """`log sum exp` over the rows of each sample."""
    top = value.detach().new_full((number,), -torch.inf).scatter_reduce(0, place, value.detach(), "amax")
    return value.new_zeros(number).index_add(0, place, (value - top[place]).exp()).log() + top
