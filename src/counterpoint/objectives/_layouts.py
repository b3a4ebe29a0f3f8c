"""Layouts: which points are the rows of a problem, and which keys each row sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.engine.places import join
from counterpoint.engine.rows import Panel
from counterpoint.errors import InputError
from counterpoint.geometry import Geometry
from counterpoint.points import Points, as_points
from counterpoint.relation import Relation, equal, same

Layout: TypeAlias = Literal["one-way", "symmetric", "views", "joint", "within"]


# columns that do not say who matches whom
_NO_MATCH = {"weight", "temperature", "score", "input", "partner", "group", "valid"}
# a rule of one's own may read columns of any shape, these are one value a point
_ONE_EACH = _NO_MATCH | {"sample", "label"}


@dataclass(frozen=True)
class Guide:
    """A second opinion on the same pairs: a teacher's vectors of the same points, or its scores of owned keys.

    Args:
        queries: `(n, d')`.
        keys: `(m, d')`.
        owned: Scores `(n, s)` of the owned keys.
    """

    queries: Tensor | None = None
    keys: Tensor | None = None
    owned: Tensor | None = None


@dataclass(frozen=True)
class Sides:
    """What one call sees: this process's points and, of each side, everybody's."""

    queries: Points
    keys: Points | None
    owned: Points | None
    guide: Guide
    spread: Callable[[Points], Points]
    """Everybody's points, from this process's."""
    offset: Callable[[int], int]
    """Where this process's `n` points begin among everybody's."""

    def prepared(self, geometry: Geometry, guide_geometry: Geometry) -> Sides:
        """The same with what a geometry does once a point done, in single precision or better."""

        def single(z: Tensor) -> Tensor:
            return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z

        def prepare(points: Points) -> Points:
            return points.with_z(geometry.prepare(single(points.z)))

        def guiding(z: Tensor | None) -> Tensor | None:
            return None if z is None else guide_geometry.prepare(single(z))

        return replace(
            self,
            queries=prepare(self.queries),
            keys=None if self.keys is None else prepare(self.keys),
            owned=None if self.owned is None else prepare(self.owned),
            guide=Guide(guiding(self.guide.queries), guiding(self.guide.keys), self.guide.owned),
        )


def take_sides(
    queries: Points | Tensor,
    keys: Points | Tensor | None,
    owned: Points | Tensor | None,
    guide: Guide,
    group: Any,
) -> Sides:
    q, k = as_points(queries), None if keys is None else as_points(keys)
    o = None if owned is None else as_points(owned)
    if k is not None and q.z.shape[1:] != k.z.shape[1:]:
        raise InputError(
            f"queries have shape {tuple(q.z.shape)} and keys {tuple(k.z.shape)}",
            fix="both sides need vectors of the same dimension",
        )
    for name, column in [*q.columns.items(), *({} if k is None else k.columns).items()]:
        if name in _ONE_EACH and column.ndim != 1:
            raise InputError(
                f"column {name!r} has shape {tuple(column.shape)}, not one value a point", fix="squeeze it to (n,)"
            )
    if o is not None and (o.z.ndim != q.z.ndim + 1 or len(o) != len(q)):
        raise InputError(
            f"owned keys have shape {tuple(o.z.shape)} for queries {tuple(q.z.shape)}",
            fix="pass (n, s, d): s keys for each query",
        )
    if o is not None:
        for name, column in o.columns.items():
            if column.shape[:2] != o.z.shape[:2]:
                raise InputError(
                    f"column {name!r} of the owned keys has shape {tuple(column.shape)}, not {tuple(o.z.shape[:2])}",
                    fix="give one entry a key, (n, s)",
                )
    for what, given, side in (("queries", guide.queries, q), ("keys", guide.keys, k), ("owned keys", guide.owned, o)):
        if given is not None and side is not None and len(given) != len(side):
            raise InputError(
                f"the guide has {len(given)} {what} and the student {len(side)}", fix="pass the same points"
            )

    if guide.queries is not None and guide.keys is not None and guide.queries.shape[1:] != guide.keys.shape[1:]:
        raise InputError(
            f"the guide's queries have shape {tuple(guide.queries.shape)} and its keys {tuple(guide.keys.shape)}",
            fix="both sides need vectors of the same dimension",
        )

    def offset(n: int) -> int:
        return 0 if group is None else sum(distributed.sizes(n, group)[: dist.get_rank(group)])

    def spread(points: Points) -> Points:
        return points if group is None else distributed.gather(points, group)

    if k is not None and not (q.columns.keys() | k.columns.keys()) - _NO_MATCH:
        if len(q) != len(k):
            raise InputError(
                f"{len(q)} queries and {len(k)} keys, and no column says which match",
                fix="give both a `sample` column, or one key a query",
            )
        sample = torch.arange(len(q), device=q.z.device) + offset(len(q))
        q, k = q.with_columns(sample=sample), k.with_columns(sample=sample)
    return Sides(q, k, o, guide, spread, offset)


def width(layout: Layout, queries: int, keys: int | None) -> int:
    """How many keys a row sees, owned ones and duplicates not counted.

    Examples:
        >>> width("symmetric", 8, 8), width("views", 8, 8), width("joint", 8, 8), width("views", 8, None)
        (8, 15, 30, 7)
    """
    if keys is None or layout == "within":
        return queries - 1
    if layout == "views":
        return queries + keys - 1
    return 2 * (queries + keys) - 2 if layout == "joint" else keys


def problems(layout: Layout, sides: Sides, relation: Relation) -> list[list[Panel]]:
    """The panels of each problem of a layout."""
    q, k, guide = sides.queries, sides.keys, sides.guide
    if k is None and sides.owned is not None and layout == "one-way":
        return [[Panel(q, sides.owned, relation, owned=True, guide=guide.owned)]]
    if k is None:
        if layout in ("symmetric", "joint"):
            raise InputError(
                f"the {layout} layout contrasts two sides, and there is one",
                fix="pass queries and keys, or use layout='views'",
            )
        return [_against_itself(q, sides, relation, guide.queries, sides.owned)]
    if layout == "views":
        both = None if guide.queries is None or guide.keys is None else torch.cat([guide.queries, guide.keys])
        owned = None if sides.owned is None else _for_first(sides.owned, len(q) + len(k))
        return [_against_itself(Points.cat([q, k]), sides, relation, both, owned)]
    if layout == "within":
        return [
            _against_itself(q, sides, relation, guide.queries, sides.owned),
            _against_itself(k, sides, relation, guide.keys, None),
        ]
    every_k = sides.spread(k)
    if layout == "joint":
        return [_pairs(sides, q, k, every_k, relation)]
    shared = None
    if guide.queries is not None and guide.keys is not None:
        shared = (guide.queries, sides.spread(Points(guide.keys)).z)
    forward = [Panel(q, every_k, relation, guide=shared)]
    if sides.owned is not None:
        forward.append(Panel(q, sides.owned, relation, owned=True, guide=guide.owned))
    if layout == "one-way":
        return [forward]
    back = None
    if guide.queries is not None and guide.keys is not None:
        back = (guide.keys, sides.spread(Points(guide.queries)).z)
    return [forward, [Panel(k, sides.spread(q), relation, guide=back)]]


def _against_itself(
    points: Points, sides: Sides, relation: Relation, teacher: Tensor | None, owned: Points | None
) -> list[Panel]:
    numbered = _numbered(points, sides)
    guide = None if teacher is None else (teacher, sides.spread(Points(teacher)).z)
    panels = [Panel(numbered, sides.spread(numbered), relation, guide=guide)]
    if owned is not None:
        scores = sides.guide.owned
        padded = None if scores is None else _pad(scores, len(points))
        panels.append(Panel(numbered, owned, relation, owned=True, guide=padded))
    return panels


def _for_first(owned: Points, n: int) -> Points:
    """Owned keys of the first of `n` points; the others have none."""
    valid = owned.columns.get("valid", torch.ones(owned.z.shape[:2], dtype=torch.bool))
    columns = owned.with_columns(valid=valid).columns
    return Points(_pad(owned.z, n), {name: _pad(c, n) for name, c in columns.items()})


def _pad(value: Tensor, n: int) -> Tensor:
    return torch.cat([value, value.new_zeros((n - len(value), *value.shape[1:]))])


def _numbered(points: Points, sides: Sides) -> Points:
    """With a column that tells a point from all others."""
    start = sides.offset(len(points))
    return points.with_columns(_point=torch.arange(start, start + len(points), device=points.z.device))


def _pairs(sides: Sides, q: Points, k: Points, every_k: Points, relation: Relation) -> list[Panel]:
    """One row for each positive pair whose query is here, as in GTE's denominator."""
    if not isinstance(relation.positive, same):
        raise InputError("the joint layout needs positives by a column", fix="use same(column)")
    every_k = every_k.with_columns(_pair=torch.arange(len(every_k), device=k.z.device))
    numbered_q, numbered_k = (
        _numbered(q, sides),
        every_k.with_columns(_point=every_k.columns["_pair"]),
    )
    if any(relation.positive.column not in side.columns for side in (q, k)):
        raise InputError(
            f"the joint layout matches queries and keys by the column {relation.positive.column!r}, which they lack",
            fix="give both sides that column",
        )
    i, j = positive_pairs(q, every_k, relation.positive)
    rows_q, rows_k = numbered_q[i], numbered_k[j]
    one = relation
    if len(torch.unique(i)) < len(i):
        # a query with several positives has a row for each, in which the others are ignored
        this = equal("_pair", "_pair")
        one = Relation(this, (relation.positive & ~this) | relation.ignored, relation.negative)
    panels = [
        Panel(q[i].with_columns(_pair=j), every_k, one),
        Panel(rows_q, sides.spread(numbered_q), relation, positives="ignored"),
        Panel(rows_k, sides.spread(q), relation, positives="counted"),
        Panel(rows_k, numbered_k, relation, positives="ignored"),
    ]
    if sides.owned is not None:
        panels.append(Panel(rows_q, sides.owned[i], relation, owned=True, positives="ignored"))
    return panels


def rows_at(z: Float[Tensor, "n *d"], index: Int[Tensor, " p"]) -> Float[Tensor, "p *d"]:
    """`z[index]`, but `z` itself for all rows in order, and a gradient that takes a fraction of the time."""
    if len(index) == len(z) and torch.equal(index, torch.arange(len(z), device=index.device)):
        return z
    return z.index_select(0, index)


def positive_pairs(q: Points, k: Points, rule: same) -> tuple[Tensor, Tensor]:
    """The positive pairs `(i, j)`, in order of i."""
    left, right = rule.ids(q.columns), rule.ids(k.columns)
    if q is not k and len(left) and bool(left[0] >= 0) and torch.equal(left, right) and bool((left.diff() > 0).all()):
        # row i matches row i, the usual case
        both = torch.arange(len(left), device=left.device)
        return both, both
    joined = join(left, right, most=len(k))
    assert joined is not None
    index, weight = joined
    i, place = weight.nonzero(as_tuple=True)
    return i, index[i, place]
