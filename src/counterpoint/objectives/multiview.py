"""Many views of a sample in one term: MV-InfoNCE and MV-DHEL."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.engine.blocks import Block
from counterpoint.engine.places import join
from counterpoint.engine.rows import Equation, Rows
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives._base import Reduction, ScoredObjective
from counterpoint.objectives._layouts import Sides, rows_at
from counterpoint.points import Points
from counterpoint.relation import same


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
        sums, has_positive = self._sums(_matched(problem, rule), _positives, block)
        rest, has_negative = self._apart(problem, block) if apart else self._sums(problem, _negatives, block)
        counts = has_positive & has_negative
        self.left_out = (~counts).sum()
        values = torch.stack([sums, rest], 1)
        every = Points(values, sample=rule.ids(columns), counts=counts)
        if group is not None:
            every = distributed.gather(every, group)
        every = every[every.columns["counts"]]
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

    def _apart(self, problem: Rows, block: int | None) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
        """Log-sums over the negatives of each row's own view: no score of two views is taken."""
        panel = problem.panels[0]
        mine, theirs = panel.queries.columns["view"], panel.keys.columns["view"]
        value, seen = panel.queries.z.new_zeros(len(mine)), torch.zeros_like(mine, dtype=torch.bool)
        for view in torch.unique(mine[mine >= 0]).tolist():
            rows, keys = (mine == view).nonzero()[:, 0], (theirs == view).nonzero()[:, 0]
            part = replace(panel, queries=_at(panel.queries, rows), keys=_at(panel.keys, keys))
            sums, has = self._sums(replace(problem, panels=[part]), _negatives, block)
            value, seen = value.index_copy(0, rows, sums), seen.index_copy(0, rows, has)
        return value, seen

    def _sums(
        self, problem: Rows, equation: Equation, block: int | None
    ) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
        """What the equation gives of every row, and which rows count."""
        values, _, _ = self.run(problem, equation, block, per_row=True)
        # where there is nothing to see there is one 0 a row, which is part of the graph all the same
        return (values[:, 0], values[:, 1] > 0) if values.ndim == 2 else (values, torch.zeros_like(values) > 0)


def _positives(block: Block) -> tuple[Float[Tensor, "b 2"], Bool[Tensor, " b"]]:
    """Log-sum over positives, and a 1 where the row counts."""
    scores, weight = block.positives()
    value = torch.logsumexp(torch.where(weight > 0, scores, torch.finfo(scores.dtype).min / 4), 1)
    return torch.stack([value, torch.ones_like(value)], 1), (weight > 0).any(1)


def _negatives(block: Block) -> tuple[Float[Tensor, "b 2"], Bool[Tensor, " b"]]:
    """Log-sum over negatives, and a 1 where the row counts."""
    value = block.log_sum_exp()[:, 0]
    return torch.stack([value, torch.ones_like(value)], 1), block.any_negative


def _matched(problem: Rows, rule: same) -> Rows:
    """Each row's own sample alone, as owned keys, where samples are small: few scores, and not those of all keys."""
    panel = problem.panels[0]
    queries, keys = panel.queries, panel.keys
    places = join(rule.ids(queries.columns), rule.ids(keys.columns))
    if places is None:
        return problem
    index, found = places
    own = _at(keys, index)
    valid = (found > 0) & own.columns.get("valid", torch.ones_like(found, dtype=torch.bool))
    return replace(problem, panels=[replace(panel, keys=own.with_columns(valid=valid), owned=True)])


def _at(points: Points, index: Int[Tensor, "*n"]) -> Points:
    """The points at these places."""
    z = rows_at(points.z, index.flatten()).view(*index.shape, *points.z.shape[1:])
    return Points(z, {name: column[index] for name, column in points.columns.items()})


def _log_sums(value: Float[Tensor, " n"], place: Tensor, number: int) -> Float[Tensor, " s"]:
    """`log sum exp` over the rows of each sample."""
    top = value.detach().new_full((number,), -torch.inf).scatter_reduce(0, place, value.detach(), "amax")
    return value.new_zeros(number).index_add(0, place, (value - top[place]).exp()).log() + top
