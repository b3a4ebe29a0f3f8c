"""Objectives that read a guide of their own making: from the keys themselves, or from a kernel on what is known."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, log_weight, weighted_mean
from counterpoint.engine.places import join
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Temperature, check_temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Guide, Layout, Sides
from counterpoint.relation import same


class AdaptiveMargin(RowObjective):
    """Self-distillation with adaptive relevance margins: how much better the positive must be is how alike it is.

    `mean_n ((s(q, p) - s(q, n)) - (s(p, n) + 1) / 2)^2`: the margin between positive and negative is held to their own
    similarity, which a pretrained encoder knows already. No teacher, no temperature, no other number; the gradient
    flows through the target, too. Sources: Gienapp et al. 2024, "Learning Effective Representations for Retrieval Using
    Self-Distillation with Adaptive Relevance Margins", and the authors' code; in-batch it takes the positive's score
    from the column, where here each row has its own. A query with several positives is held to their mean.

    Args:
        layout: `one-way` is theirs.
        **options: `geometry` (scores in [-1, 1]), `relation` (positives by a column), see `RowObjective`.

    Raises:
        InputError: in a call, for other layouts or positives.

    Examples:
        >>> q = torch.eye(2)
        >>> AdaptiveMargin()(q, q).item()  # a margin of 1, and a target of 1/2
        0.25
    """

    paired = True

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(1.0, layout=layout, guide_geometry=Dot(), **options)

    def guide(self, sides: Sides) -> Guide:
        """The positive of each query, against the same keys."""
        rule = self.relation.positive
        if self.layout != "one-way" or not isinstance(rule, same) or sides.keys is None:
            raise InputError(
                "AdaptiveMargin compares queries with keys one way, and needs positives by a column",
                fix="pass queries and keys, layout='one-way' and same(column)",
            )
        every = sides.spread(sides.keys)
        keys = F.normalize(every.z, dim=-1)
        positive = torch.zeros_like(sides.queries.z)
        if rule.column in sides.queries.columns and rule.column in every.columns:
            found = join(rule.ids(sides.queries.columns), rule.ids(every.columns), most=len(every))
            assert found is not None
            index, weight = found[0], found[1].to(keys)
            if "valid" in every.columns:
                weight = weight * every.columns["valid"][index]
            share = weight / weight.sum(1, keepdim=True).clamp_min(1)
            positive = torch.einsum("npd,np->nd", keys[index], share)
        owned = None
        if sides.owned is not None:
            owned = torch.einsum("nd,nsd->ns", positive, F.normalize(sides.owned.z, dim=-1))
        return Guide(positive, F.normalize(sides.keys.z, dim=-1), owned)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Squared error of the margins, over the negatives."""
        assert block.guide is not None
        scores, weight = block.positives()
        margin = weighted_mean(scores, weight)[:, None] - block.scores
        error = (margin - (block.guide + 1) / 2).square()
        return weighted_mean(error, block.negative), (weight.sum(1) > 0) & block.any_negative


class KernelConditional(RowObjective):
    """Conditional contrastive learning with a kernel: who counts as positive, or negative, follows from what is known.

    Of the conditioning variable `c` (a column of numbers) the Gram matrix `K` gives weights `W = (K + ridge I)^-1 K`
    without gradient: `W_ij` is how much sample j stands for a draw given `c_i`. Weights of a sample with itself and
    weights below 0 are dropped. With the own other view `p`:

    - `role="positive"` (weakly supervised): `-log(P / (P + sum_j exp(s_ij)))`, `P = sum_j W_ij exp(s_ij)`, over all
      keys j but the point itself;
    - `role="negative"` (fair, or hard negatives): `-log(e^p / (e^p + (n - 1) sum_j W_ij exp(s_ij)))`, n the number of
      samples.

    Source: Tsai et al. 2022, "Conditional Contrastive Learning with Kernel", table 1, eq. 6 and proposition 3.2, and
    the authors' code.

    Args:
        column: The conditioning variable, `(n,)` or `(n, c)`.
        temperature: A number or a learned `Temperature`.
        role: See above.
        kernel: `"cosine"`, `"linear"`, or `"gaussian"`, `exp(-|c - c'|^2 / width)`.
        width: Of the Gaussian.
        ridge: Above 0; 0.1 is the code's default.
        layout: `views` is theirs.
        **options: `geometry`, `relation` (positives by a column), see `RowObjective`.

    Raises:
        InputError: in a call, without the column.

    Examples:
        >>> from counterpoint import Points
        >>> points = Points(torch.eye(2), sample=torch.arange(2), age=torch.tensor([1.0, 1.0]))
        >>> loss = KernelConditional("age", 1.0, role="negative")
        >>> round(loss(points, points).item(), 4)  # W = 1 / 2.1 between both: log(1 + 2 W / e)
        0.3004
    """

    uses = frozenset()
    paired = True

    def __init__(
        self,
        column: str,
        temperature: float | Temperature = 0.5,
        *,
        role: Literal["positive", "negative"] = "positive",
        kernel: Literal["cosine", "linear", "gaussian"] = "gaussian",
        width: float = 1.0,
        ridge: float = 0.1,
        layout: Layout = "views",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, guide_geometry=Dot(), **options)
        check_temperature(width)
        check_temperature(ridge)
        self.column, self.role, self.kernel, self.width, self.ridge = column, role, kernel, width, ridge
        self._samples = 0

    def guide(self, sides: Sides) -> Guide:
        """A square root of `W`: its rows' inner products are the weights of all pairs."""
        rule = self.relation.positive
        if not isinstance(rule, same) or sides.keys is None:
            raise InputError("KernelConditional needs two sides and positives by a column", fix="use same(column)")
        for side in (sides.queries, sides.keys):
            if rule.column not in side.columns or self.column not in side.columns:
                raise InputError(
                    f"the conditioning variable is the column {self.column!r} of samples by {rule.column!r}",
                    fix="give both sides these columns",
                )
        like = sides.queries.z.float() if sides.queries.z.dtype.itemsize < 4 else sides.queries.z
        every = [sides.spread(side) for side in (sides.queries, sides.keys)]
        ids = torch.cat([rule.ids(side.columns) for side in every])
        known = torch.cat([side.columns[self.column].to(like) for side in every])
        known = known[:, None] if known.ndim == 1 else known.flatten(1)
        names, place = torch.unique(ids, return_inverse=True)
        number = torch.bincount(place, minlength=len(names)).to(known)[:, None]
        root = self._root(known.new_zeros(len(names), known.shape[1]).index_add(0, place, known) / number)
        self._samples = len(names)
        parts = [root[torch.searchsorted(names, rule.ids(side.columns))] for side in (sides.queries, sides.keys)]
        return Guide(parts[0], parts[1])

    @torch.no_grad()
    def _root(self, c: Float[Tensor, "n c"]) -> Float[Tensor, "n n"]:
        """`A` with `A A^T = (K + ridge I)^-1 K`."""
        if self.kernel == "gaussian":
            gram = torch.exp(-torch.cdist(c, c).square() / self.width)
        else:
            c = F.normalize(c, dim=1) if self.kernel == "cosine" else c
            gram = c @ c.T
        values, vectors = torch.linalg.eigh(gram)
        values = values.clamp_min(0)
        root: Tensor = vectors * (values / (values + self.ridge)).sqrt()
        return root

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Weighted sums over the row, in logarithms."""
        assert block.guide is not None
        own, weight = block.positives()
        seen, negative = (block.positive + block.negative) > 0, block.negative > 0
        nothing = torch.finfo(block.scores.dtype).min / 4
        counted = negative & (block.guide > 1e-6)
        weighted = torch.where(counted, block.scores + log_weight(block.guide.clamp_min(0)), nothing)
        log_sum = torch.logsumexp(weighted, 1)
        counts = weight.sum(1) > 0
        if self.role == "negative":
            log_sum = log_sum + math.log(max(1, self._samples - 1))
            p = weighted_mean(own, weight)
            return torch.logaddexp(p, log_sum) - p, counts
        every = torch.logsumexp(torch.where(seen, block.scores, nothing), 1)
        return torch.logaddexp(log_sum, every) - log_sum, counts & counted.any(1)
