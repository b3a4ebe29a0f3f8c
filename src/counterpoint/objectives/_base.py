"""The two kinds of objectives, and how points become rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, TypeAlias

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.engine import distributed
from counterpoint.engine.blocks import Block
from counterpoint.engine.rows import Equation, Rows, mean_rows
from counterpoint.errors import InputError
from counterpoint.geometry import Cosine, Dot, Geometry, Temperature, check_temperature
from counterpoint.objectives._finite import check_finite, check_loss
from counterpoint.objectives._layouts import Guide, Layout, Sides, positive_pairs, problems, take_sides
from counterpoint.points import Points
from counterpoint.relation import Relation, same

Reduction: TypeAlias = Literal["mean", "none"]


class Objective(nn.Module):
    """From points to a loss. Call it as `objective(queries, keys)`, or `objective(points)` to contrast with themselves.

    Plain tensors are the short form: row i of the queries matches row i of the keys. With `Points` the columns say
    who matches whom, and any number of positives, from none up, may belong to a query.

    The same loss and the same gradients come out dense, blocked, cached (`counterpoint.engine.cached`) and
    distributed.

    Args (of a call):
        queries: `(n, d)`.
        keys: Seen by every query, `(m, d)`; None: the queries themselves, or only the owned keys if there are some.
        owned: Seen by one query each, `(n, s, d)`: its own hard negatives, or candidates with a `positive` column.
        guide: A teacher's view of the same pairs.
        block: Rows computed at once; 0: all (dense); None: chosen by size. It changes memory and time, not results.
        group: Process group over which points are gathered; None: this process alone.
        reduction: `"mean"` over the rows that count, or `"none"`: one value a query, 0 where it does not count.

    Returns (of a call):
        The loss `()`, or `(n,)` unreduced. `objective.left_out` then says how many rows did not count
        (no positive, say).

    Raises (of a call):
        InputError: for sides that do not fit each other, and for NaN or infinite vectors or losses.
    """

    kind: ClassVar[Literal["row", "point"]]
    uses: ClassVar[frozenset[str]] = frozenset()
    """Which of `owned`, `guide`, `score` the equation reads."""

    left_out: Tensor = torch.tensor(0)
    """Of the last call: how many of this process's rows did not count; of a point objective, everybody's queries."""

    def forward(
        self,
        queries: Points | Tensor,
        keys: Points | Tensor | None = None,
        *,
        owned: Points | Tensor | None = None,
        guide: Guide | None = None,
        block: int | None = None,
        group: Any = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """See the class."""
        sides = take_sides(queries, keys, owned, guide or Guide(), group)
        if sides.owned is not None and "owned" not in self.uses:
            raise InputError(
                f"{type(self).__name__} takes no owned keys",
                fix="append them to the keys as shared negatives: counterpoint.unmatched(z)",
            )
        check_finite(sides, group)
        value = self.loss(sides, block, group, reduction)
        check_loss(value, group)
        return value

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The loss of both sides, over all processes."""
        raise NotImplementedError

    def guess(self, queries: int, keys: int | None) -> float | None:
        """The loss of a model that knows nothing, for so many points a side: what a loss curve is read against.

        None where there is no such number.
        """
        del queries, keys
        return None

    def __add__(self, other: Objective) -> Objective:
        from counterpoint.objectives.sums import Sum

        return Sum(self, other)

    def __mul__(self, weight: float) -> Objective:
        from counterpoint.objectives.sums import Sum

        return Sum(self, weights=(weight,))

    __rmul__ = __mul__


class ScoredObjective(Objective):
    """What objectives on scores share: a temperature, a geometry, a relation, and values of whole rows.

    Args:
        temperature: Scores are divided by it: a number, or a learned `Temperature`.
        layout: Who is a row and which keys it sees, see `RowObjective`.
        geometry: Cosine by default.
        relation: Same `sample` by default, duplicates ignored.
        guide_geometry: How the guide's vectors are compared.
    """

    kind = "row"
    keys_follow: ClassVar[bool] = True
    """Whether the gradient reaches the keys."""
    paired: ClassVar[bool] = False
    """Whether it needs two sides, and positives by a column."""
    summed: bool = False
    """Whether the equation asks a block for positives and log-sum-exps and for nothing else."""

    def __init__(
        self,
        temperature: float | Temperature = 1.0,
        *,
        layout: Layout = "one-way",
        geometry: Geometry | None = None,
        relation: Relation | None = None,
        guide_geometry: Geometry | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(temperature, Temperature):
            check_temperature(temperature)
        # it may be changed between calls, and is checked again
        self.temperature = temperature
        self.layout: Layout = layout
        self.geometry = geometry or Cosine()
        self.relation = relation or Relation()
        self.guide_geometry = guide_geometry or Cosine()

    def scale(self) -> Tensor | float:
        """1 / temperature."""
        if isinstance(self.temperature, Temperature):
            return self.temperature.scale()
        return 1 / self.temperature

    def guide(self, sides: Sides) -> Guide:
        """The second opinion that the equation reads; what was passed, if it reads one."""
        return sides.guide if "guide" in self.uses else Guide()

    def problems(self, sides: Sides) -> list[Rows]:
        """The rows of each problem of the layout."""
        sides = replace(sides, guide=self.guide(sides)).prepared(self.geometry, self.guide_geometry)
        every = problems(self.layout, sides, self.relation)
        if not self.keys_follow:
            for panel in (panel for panels in every for panel in panels):
                panel.keys = panel.keys.with_z(panel.keys.z.detach())
        return [Rows(panels, self.geometry, self.guide_geometry) for panels in every]

    def run(
        self, problem: Rows, equation: Equation, block: int | None, *, per_row: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """An equation over the rows of a problem, see `counterpoint.engine.rows.mean_rows`."""
        if not isinstance(self.temperature, Temperature):
            check_temperature(self.temperature)
        parameters = list(self.parameters())
        return mean_rows(problem, equation, self.scale, parameters, block=block, per_row=per_row, summed=self.summed)


class RowObjective(ScoredObjective):
    """The loss is a (weighted) mean over queries of a function of that query's whole row of scores.

    A subclass gives `rows`. Who is a row and which keys it sees is the layout:

    | layout | rows | what row i sees |
    |---|---|---|
    | `one-way` | queries | keys |
    | `symmetric` | queries; keys | keys; queries. The mean of the two means |
    | `views` | queries and keys together | all queries and keys but itself |
    | `joint` | positive pairs (q_i, k_j) | q_i's keys, q_i's other queries, k_j's queries, k_j's other keys |
    | `within` | queries; keys | the other queries; the other keys. The mean of the two means |

    Args:
        temperature: Scores are divided by it: a number, or a learned `Temperature`.
        layout: See above.
        geometry: Cosine by default.
        relation: Same `sample` by default, duplicates ignored.
        guide_geometry: How the guide's vectors are compared.
    """

    uses = frozenset({"owned"})

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The equation: each row's loss, and whether the row counts."""
        raise NotImplementedError

    def finish(self, mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """What is done to the mean over rows; nothing unless a subclass says so."""
        return mean

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The mean over the rows of each problem, averaged over problems."""
        losses: list[Tensor] = []
        out: list[Tensor] = []
        rows = 0
        for problem in self.problems(sides):
            value, weight, left_out = self.run(problem, self.rows, block, per_row=reduction == "none")
            out.append(left_out)
            if reduction == "mean":
                if group is not None:
                    value = distributed.total(value, group)
                    weight = distributed.total(weight, group)
                # where no row counts the loss is 0, with a gradient of 0
                value = self.finish(value / weight) if bool(weight) else value * 0
            losses.append(value)
            rows += len(problem)
        self.left_out = out[0] if len(out) == 1 else torch.stack(out).sum()
        if rows and int(self.left_out) == rows:
            self._check_columns(sides)
        if len({value.shape for value in losses}) > 1:
            raise InputError(
                "the two sides have different numbers of rows, so their losses cannot be averaged row by row",
                fix="use reduction='mean', or two one-way objectives",
            )
        return losses[0] if len(losses) == 1 else torch.stack(losses).mean(0)

    def _check_columns(self, sides: Sides) -> None:
        """No row counts: is it that nothing says who matches whom?"""
        rule = self.relation.positive
        mine = sides.queries.columns
        others = [side.columns for side in (sides.keys, sides.owned) if side is not None] or [mine]
        if not isinstance(rule, same) or any("positive" in c for c in others):
            return
        if rule.column not in mine or all(rule.column not in c for c in others):
            raise _no_column(self, rule)


class PointObjective(Objective):
    """A function of the whole matrix of embeddings, such as a covariance. A subclass gives `whole`.

    With one side its points are paired with each other, both ways round.

    Distributed, every process computes it on all points (it is `O(n d^2)` or less) and keeps its share of the
    gradient.
    """

    kind = "point"

    def __init__(self, *, geometry: Geometry | None = None, relation: Relation | None = None) -> None:
        super().__init__()
        self.geometry = geometry or Cosine()
        self.relation = relation or Relation()

    def whole(self, queries: Points, keys: Points, i: Tensor, j: Tensor) -> Float[Tensor, ""]:
        """The equation: both sides, and the places `(p,)` of the positive pairs in each."""
        raise NotImplementedError

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The equation on everybody's points; without a matrix over pairs there is nothing to block."""
        del block
        if reduction != "mean":
            raise InputError(
                f"{type(self).__name__} is a function of all points together and has no value a row",
                fix="use reduction='mean'",
            )
        rule = self.relation.positive
        if not isinstance(rule, same):
            raise InputError(f"{type(self).__name__} needs positives by a column", fix="use same(column)")
        # statistics of the whole matrix are taken in full precision
        with torch.autocast(sides.queries.z.device.type, enabled=False):
            sides = sides.prepared(self.geometry, Dot())
            every = sides.spread(sides.queries)
            queries = _seen(every)
            keys = queries if sides.keys is None else _seen(sides.spread(sides.keys))
            if rule.column not in queries.columns or rule.column not in keys.columns:
                raise _no_column(self, rule)
            i, j = positive_pairs(queries, keys, rule)
            if keys is queries:
                i, j = i[i != j], j[i != j]
            self.left_out = len(every) - torch.bincount(i, minlength=len(queries)).count_nonzero()
            value = self.whole(queries, keys, i, j)
        if group is None:
            return value
        # all processes have the same value; each contributes its share, and shares are summed
        share = value / dist.get_world_size(group)
        return share + (value - share).detach()


def _seen(points: Points) -> Points:
    """Without padding."""
    return points[points.columns["valid"]] if "valid" in points.columns else points


def _no_column(objective: Objective, rule: same) -> InputError:
    return InputError(
        f"{type(objective).__name__} matches points by the column {rule.column!r}, which they lack",
        fix=f"give both sides a {rule.column!r} column, or pass another relation",
    )
