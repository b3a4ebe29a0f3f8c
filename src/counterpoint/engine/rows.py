"""Row objectives: a mean over queries of a function of each query's whole row, dense or in blocks of rows.

Blocked, the loss *and* its gradient are finished in the forward pass, block by block, and the block is dropped: no
`(n, m)` matrix ever exists and nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.engine.blocks import Block, Sparse
from counterpoint.engine.fused import FusedBlock, available
from counterpoint.engine.places import Places, beside, compact, join
from counterpoint.geometry import Cosine, Dot, Geometry
from counterpoint.points import Points
from counterpoint.relation import COPIES, Relation, never, same

# Scores of one block: 2^22 float32 are 16 MB, which stays in cache long enough to be used again.
_BLOCK_SCORES = 2**22
_FEWEST_ROWS = 256


@dataclass
class Panel:
    """One group of keys as the rows of a problem see it.

    Args:
        queries: One point a row, prepared by the geometry.
        keys: `(m, ...)` seen by all rows, or owned, `(n, s, ...)`.
        relation: What a pair is.
        positives: What a positive pair is here: the `"numerator"` (a positive), only `"counted"` in the
            denominator, or `"ignored"`.
        guide: A second geometry's vectors of both sides, or the scores `(n, s)` of owned keys.
    """

    queries: Points
    keys: Points
    relation: Relation
    owned: bool = False
    positives: Literal["numerator", "counted", "ignored"] = "numerator"
    guide: tuple[Tensor, Tensor] | Tensor | None = None

    @property
    def width(self) -> int:
        """How many keys a row sees here."""
        return self.keys.z.shape[1] if self.owned else len(self.keys)

    def sparse(self) -> tuple[Places, Places] | None:
        """The positives, and what is neither positive nor negative, where both are few and the rest has weight 1."""
        relation, q, k = self.relation, self.queries.columns, self.keys.columns
        plain = relation.ignored is never and relation.negative is None
        rule = relation.positive
        if not plain or not isinstance(rule, same) or "valid" in k or "positive" in k:
            return None
        n, device = len(self.queries), self.queries.z.device
        none = torch.zeros((n, 0), dtype=torch.long, device=device), torch.zeros((n, 0), device=device)
        if self.owned:
            return None if any(c in k for c in (rule.column, "input", "partner", "group")) else (none, none)
        matched = rule.column in q and rule.column in k
        positives = join(rule.ids(q), rule.ids(k)) if matched else none
        if positives is None:
            return None
        out = []
        if "_point" in q and "_point" in k:
            itself = torch.searchsorted(k["_point"], q["_point"])[:, None]
            positives = positives[0], positives[1] * (positives[0] != itself)
            out.append((itself, torch.ones((n, 1), device=device)))
        for left, right in COPIES:
            if left in q and right in k:
                copies = join(q[left], k[right], hashes=left != "group")
                if copies is None:
                    return None
                place, weight = copies
                if matched:
                    mine = q[rule.column][:, None]
                    weight = weight * ((mine != k[rule.column][place]) | (mine < 0))
                out.append((place, weight))
        if self.positives == "ignored":
            out.append(positives)
        return positives if self.positives == "numerator" else none, beside([none, *out])

    def dense(self, start: int, stop: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Weights `(b, width)` as positives and as negatives."""
        q = {name: c[start:stop, None] for name, c in self.queries.columns.items()}
        k = {name: c[start:stop] if self.owned else c[None] for name, c in self.keys.columns.items()}
        shape = (stop - start, self.width)
        positive, negative = self.relation.weights(q, k, shape, like)
        if self.positives == "numerator":
            return positive, negative
        if self.positives == "counted":
            negative = torch.where(positive > 0, 1.0, negative)
        return torch.zeros_like(positive), negative


@dataclass
class Rows:
    """A problem: a weighted mean over rows, each of which sees the panels side by side.

    Args:
        panels: All with the same number of rows.
        geometry: Gives the scores.
        guide_geometry: Gives the guide's scores.
    """

    panels: Sequence[Panel]
    geometry: Geometry
    guide_geometry: Geometry

    def __len__(self) -> int:
        return len(self.panels[0].queries)

    def weighted(self, counts: Tensor, start: int, stop: int) -> Tensor:
        """For how much each row counts, 0 or more, with its weight; padding is no row."""
        columns = self.panels[0].queries.columns
        for name in ("weight", "valid"):
            if name in columns:
                counts = counts * columns[name][start:stop]
        return counts

    @property
    def width(self) -> int:
        """How many keys a row sees in all."""
        return sum(panel.width for panel in self.panels)

    def tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Tensors cut by rows, and tensors every row sees whole; in the order `block` takes them."""
        rowwise: list[Tensor] = []
        shared: list[Tensor] = []
        for panel in self.panels:
            rowwise.append(panel.queries.z)
            (rowwise if panel.owned else shared).append(panel.keys.z)
            if isinstance(panel.guide, Tensor):
                rowwise.append(panel.guide)
            elif panel.guide is not None:
                rowwise.append(panel.guide[0])
                (rowwise if panel.owned else shared).append(panel.guide[1])
        return rowwise, shared

    def sparse(self) -> Sparse | None:
        """All panels' positives as one index, if every panel has one."""
        positives: list[Places] = []
        out: list[Places] = []
        offset = 0
        for panel in self.panels:
            part = panel.sparse()
            if part is None:
                return None
            for places, (index, weight) in zip((positives, out), part, strict=True):
                places.append((index + offset, weight))
            offset += panel.width
        return Sparse(*compact(beside(positives)), *compact(beside(out)))

    def block(
        self,
        start: int,
        stop: int,
        rowwise: Sequence[Tensor],
        shared: Sequence[Tensor],
        sparse: Sparse | None,
        scale: Tensor | float,
        *,
        once: bool,
    ) -> Block:
        """The block of rows `start` to `stop`; `rowwise` is already cut to it. `once`: its backward runs once."""
        rows, whole = iter(rowwise), iter(shared)
        scores, guides = [], []
        columns = {name: c[start:stop] for name, c in self.panels[0].queries.columns.items()}
        if "temperature" in columns:
            scale = scale / columns["temperature"][:, None]
        for panel in self.panels:
            q = next(rows)
            if panel.owned:
                scores.append(self.geometry.owned(q, next(rows), scale))
            else:
                scores.append(self.geometry.shared(q, next(whole), scale))
            if isinstance(panel.guide, Tensor):
                guides.append(next(rows))
            elif panel.guide is not None:
                teacher = next(rows)
                if panel.owned:
                    guides.append(self.guide_geometry.owned(teacher, next(rows), 1.0))
                else:
                    guides.append(self.guide_geometry.shared(teacher, next(whole), 1.0))
        joined = _single(scores)
        if sparse is not None:
            relation: Any = sparse.rows(start, stop)
        else:
            parts = [p.dense(start, stop, joined.detach()) for p in self.panels]
            relation = parts[0] if len(parts) == 1 else tuple(torch.cat(part, 1) for part in zip(*parts, strict=True))
        # other geometries may need the scores they gave for their own gradient
        fresh = isinstance(self.geometry, Dot) or len(scores) > 1
        guide = _single(guides) if guides else None
        return Block(joined, relation, guide, columns=columns, scale=scale, once=once and fresh)

    def fused(self, sparse: Sparse | None, scale: Tensor | float) -> FusedBlock | None:
        """All rows for a kernel that makes no matrix over pairs, where there is one for them."""
        panel = self.panels[0]
        q, k, columns = panel.queries.z, panel.keys.z, panel.queries.columns
        plain = len(self.panels) == 1 and not panel.owned and panel.guide is None
        inner = type(self.geometry) in (Dot, Cosine) and q.ndim == 2 and q.dtype == torch.float32
        if sparse is None or not plain or not inner or not available(q.device):
            return None
        if "temperature" in columns:
            scale = scale / columns["temperature"][:, None]
        return FusedBlock(q, k, sparse, columns=columns, scale=scale)


def _single(parts: Sequence[Tensor]) -> Tensor:
    """Side by side; scores that autocast made half precise go on in single, where a log-sum-exp is safe."""
    whole = parts[0] if len(parts) == 1 else torch.cat(list(parts), 1)
    return whole.float() if whole.dtype in (torch.float16, torch.bfloat16) else whole


# From a block to its rows' losses (b,), or several values a row (b, c), and which of them count (b,)
Equation = Callable[[Block], tuple[Float[Tensor, "b *c"], Tensor]]


def mean_rows(
    problem: Rows,
    equation: Equation,
    scale: Callable[[], Tensor | float],
    parameters: Sequence[Tensor],
    *,
    block: int | None,
    per_row: bool,
    summed: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses of a problem's rows.

    Args:
        problem: The rows.
        equation: Loss of each row of a block.
        scale: 1 / temperature, asked once a block.
        parameters: What the equation and the scale learn.
        block: Rows in a block; 0: dense; None: dense if small, else blocks of about 16 MB of scores.
        per_row: Give each row's loss rather than their weighted sum.
        summed: The equation asks for positives and log-sum-exps alone, which a fused kernel may give.

    Returns:
        Sum of weighted losses `()`, or with `per_row` what the equation gives of each, `(n, ...)`; sum of weights
        `()`; how many rows did not count (no positive, say) `()`.
    """
    n = len(problem)
    rowwise, shared = problem.tensors()
    if n == 0 or problem.width == 0:
        # nothing to see, but part of the graph all the same
        nothing = torch.stack([t.sum() for t in (*rowwise, *shared)]).sum() * 0
        return nothing.expand(n) if per_row else nothing, nothing.detach(), torch.tensor(n, device=nothing.device)
    sparse = problem.sparse()

    def compute(
        start: int, stop: int, rows: Sequence[Tensor], whole: Sequence[Tensor], *, once: bool = False
    ) -> tuple[Tensor, Tensor]:
        return finish(problem.block(start, stop, rows, whole, sparse, scale(), once=once), start, stop)

    def finish(seen: Block, start: int, stop: int) -> tuple[Tensor, Tensor]:
        loss, counts = equation(seen)
        weight = problem.weighted(counts, start, stop)
        some = weight.bool()
        if loss.ndim > 1:
            some = some.view(-1, *[1] * (loss.ndim - 1))
        # a row that does not count may hold anything, and must not reach the sum
        return torch.where(some, loss, 0.0), weight.to(loss.dtype)

    kernel = None
    if block is None:
        small = n * problem.width <= _BLOCK_SCORES
        block = 0 if small else max(_FEWEST_ROWS, _BLOCK_SCORES // problem.width)
        kernel = None if small or not summed else problem.fused(sparse, scale())
    if kernel is not None or block == 0 or block >= n:
        loss, weight = compute(0, n, rowwise, shared) if kernel is None else finish(kernel, 0, n)
        total = loss if per_row else (loss * weight).sum()
        return total, weight.sum(), n - weight.count_nonzero()
    result: tuple[Tensor, Tensor, Tensor] = _Blocked.apply(  # type: ignore[no-untyped-call]
        compute, n, block, per_row, torch.is_grad_enabled(), len(rowwise), len(shared), *rowwise, *shared, *parameters
    )
    return result


class _Blocked(torch.autograd.Function):
    """Sum over rows with its gradient finished block by block; per row, the blocks are taken again in backward."""

    @staticmethod
    def forward(
        ctx: Any,
        compute: Any,
        n: int,
        block: int,
        per_row: bool,
        graph: bool,
        rows: int,
        whole: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        need = ctx.needs_input_grad[7:] if graph else (False,) * len(tensors)
        ctx.spans = [(start, min(start + block, n)) for start in range(0, n, block)]
        ctx.counts, ctx.compute, ctx.per_row, ctx.need = (rows, whole), compute, per_row, need
        if per_row:
            with torch.no_grad():
                parts = [
                    compute(a, b, [t[a:b] for t in tensors[:rows]], tensors[rows : rows + whole]) for a, b in ctx.spans
                ]
            ctx.save_for_backward(*tensors)
            losses, weights = (torch.cat(part) for part in zip(*parts, strict=True))
            total, weight, left_out = losses, weights.sum(), n - weights.count_nonzero()
        else:
            total, weight, left_out, grads = _sweep(ctx, tensors, None)
            ctx.save_for_backward(*[g for g in grads if g is not None])
            ctx.kept = [g is not None for g in grads]
        ctx.mark_non_differentiable(weight, left_out)
        return total, weight, left_out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Any, ...]:
        if ctx.per_row:
            grads = _sweep(ctx, ctx.saved_tensors, grad)[3]
        else:
            saved = iter(ctx.saved_tensors)
            grads = [next(saved) * grad if kept else None for kept in ctx.kept]
        return (None,) * 7 + tuple(grads)


def _sweep(
    ctx: Any, tensors: Sequence[Tensor], row_grad: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, list[Tensor | None]]:
    """All blocks: sum of losses, of weights, rows left out, and the gradient for each tensor that needs one."""
    rows, whole = ctx.counts
    need = ctx.need
    shared = [t.detach().requires_grad_(w) for t, w in zip(tensors[rows:], need[rows:], strict=True)]
    # parameters are reached through the equation itself, so it is they that are differentiated
    shared[whole:] = tensors[rows + whole :]
    grads: list[Tensor | None] = [torch.zeros_like(t) if w else None for t, w in zip(tensors, need, strict=True)]
    totals: list[Tensor] = []
    weights: list[Tensor] = []
    for start, stop in ctx.spans:
        cut = [t.detach()[start:stop].requires_grad_(w) for t, w in zip(tensors[:rows], need[:rows], strict=True)]
        with torch.set_grad_enabled(any(need)):
            loss, weight = ctx.compute(start, stop, cut, shared[:whole], once=True)
            total = (loss * (weight if row_grad is None else row_grad[start:stop])).sum()
        totals.append(total.detach())
        weights.append(weight)
        if not total.requires_grad:
            continue
        wanted = [t for t, w in zip([*cut, *shared], need, strict=True) if w]
        found = iter(torch.autograd.grad(total, wanted, allow_unused=True))
        for place, w in enumerate(need):
            gradient = next(found) if w else None
            into = grads[place]
            if gradient is None or into is None:
                continue
            if place < rows:
                into[start:stop] = gradient
            else:
                into.add_(gradient)
            del gradient
        del loss, total, found
    every = torch.cat(weights)
    return torch.stack(totals).sum(), every.sum(), len(every) - every.count_nonzero(), grads
