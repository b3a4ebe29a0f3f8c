"""Losses that attract and repel by distances alone: CACR, energy confusion, and DCLW's weight of positives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Euclidean, check_temperature
from counterpoint.objectives._base import PointObjective, Reduction, RowObjective
from counterpoint.objectives._layouts import Guide, Layout, Sides, rows_at
from counterpoint.points import Points


class CACR(RowObjective):
    """Contrastive attraction and contrastive repulsion: the far positive is pulled more, the near negative pushed more.

    `sum_p a_ip c_ip - E_v sum_n r_in c_in` with the squared distance `c`, weights `a_i = softmax_P(t_pos c_ip)` within
    the positives and `r_i = softmax_N(-t_neg c_in)` within the negatives of one view, through which the gradient flows;
    the mean is over the views but the row's own. Source: Zheng et al. 2021, "Contrastive Attraction and Contrastive
    Repulsion for Representation Learning", eq. 4 to 7, and the authors' code, which takes each pair of views one way
    round; here it is both ways. Views are told by the `view` column; without it queries are one and keys another, and
    a side alone is one whose negatives stand together. Owned keys without it are a group of their own.

    Args:
        positive: `t_pos`, 0 or more; it matters with several positives a query.
        negative: `t_neg`, 0 or more. 0.9 is the authors' for CIFAR-10, 2 for CIFAR-100 and STL-10.
        layout: `views` is theirs.
        **options: `geometry` (squared distance on the sphere by default), `relation`, see `RowObjective`.

    Raises:
        InputError: for a negative number.

    Examples:
        >>> q = torch.eye(2)
        >>> CACR(layout="one-way")(q, q).item()  # positives at 0, negatives at a squared distance of 2
        -2.0
    """

    def __init__(
        self, positive: float = 1.0, negative: float = 2.0, *, layout: Layout = "views", **options: Any
    ) -> None:
        options.setdefault("geometry", Euclidean(squared=True, normalized=True))
        super().__init__(1.0, layout=layout, guide_geometry=Dot(), **options)
        if positive < 0 or negative < 0:
            raise InputError(f"the weights' sharpness is {positive} and {negative}", fix="give 0 or more")
        self.positive, self.negative = positive, negative

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """With the number of each point's view, from 1."""
        known = "view" in sides.queries.columns
        queries = _numbered(sides.queries, 1, own=known or sides.keys is not None)
        keys = None if sides.keys is None else _numbered(sides.keys, 2, own=True)
        return super().loss(replace(sides, queries=queries, keys=keys), block, group, reduction)

    def guide(self, sides: Sides) -> Guide:
        """The product of both views' numbers, which tells a row, with its own, the view of each key."""

        def number(points: Points) -> Tensor:
            return points.columns["_number"].to(points.z.dtype)[:, None]

        q = number(sides.queries)
        owned = None
        if sides.owned is not None:
            views = sides.owned.columns.get("view")
            owned = q * (torch.zeros_like(sides.owned.z[..., 0]) if views is None else views.to(q.dtype) + 1)
        return Guide(q, None if sides.keys is None else number(sides.keys), owned)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Weighted distance of the positives minus weighted distance of the negatives, view by view."""
        scores, weight = block.positives()
        attraction = _weighted(-scores, weight, self.positive)
        assert block.guide is not None
        views = (block.guide / block.columns["_number"][:, None]).round()
        repulsion, seen = torch.zeros_like(attraction), torch.zeros_like(attraction)
        for view in range(int(views.min()), int(views.max()) + 1):
            others = (views == view) & (block.columns["_own"] != view)[:, None]
            negative = block.negative * others
            repulsion = repulsion + _weighted(-block.scores, negative, -self.negative)
            seen = seen + (negative > 0).any(1)
        return attraction - repulsion / seen.clamp_min(1), (weight > 0).any(1) & (seen > 0)


def _numbered(points: Points, number: int, *, own: bool) -> Points:
    """With the number of each point's view, and that of the view that is no negative of it, -1 if there is none."""
    column = points.columns["view"] + 1 if "view" in points.columns else torch.full_like(points.z[:, 0], number).long()
    return points.with_columns(_number=column, _own=column if own else torch.full_like(column, -1))


def _weighted(cost: Float[Tensor, "b m"], weight: Float[Tensor, "b m"], sharpness: float) -> Float[Tensor, " b"]:
    """Mean of the costs under `w_j exp(sharpness c_j)`."""
    nothing = torch.finfo(cost.dtype).min / 4
    logits = torch.where(weight > 0, sharpness * cost + torch.where(weight > 0, weight, 1.0).log(), nothing)
    return (torch.softmax(logits, 1) * torch.where(weight > 0, cost, 0.0)).sum(1)


class EnergyConfusion(RowObjective):
    """Mean squared distance of negatives, to be made small: it confuses a metric that fits its classes too well.

    `E_N |z_i - z_n|^2`, added with a small weight to a metric loss: `Triplet() + 0.1 * EnergyConfusion()`. Source: Chen
    and Deng 2019, "Energy Confused Adversarial Metric Learning for Zero-Shot Image Retrieval and Clustering", eq. 3.

    Args:
        log: The logarithm of the mean, whose pull does not weaken as the distances shrink, as in the authors' code. Of
            `reduction="none"` it is not taken.
        layout: `views`: queries and keys together.
        **options: `geometry` (squared distance on the sphere by default), `relation`, see `RowObjective`.

    Examples:
        >>> EnergyConfusion()(torch.eye(2), torch.eye(2)).item()
        2.0
    """

    def __init__(self, *, log: bool = False, layout: Layout = "views", **options: Any) -> None:
        options.setdefault("geometry", Euclidean(squared=True, normalized=True))
        super().__init__(1.0, layout=layout, **options)
        self.log = log

    def finish(self, mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Its logarithm, if asked for."""
        return mean.clamp_min(torch.finfo(mean.dtype).tiny).log() if self.log else mean

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's mean over its negatives."""
        return weighted_mean(-block.scores, block.negative), block.any_negative


class PositiveTilt(PointObjective):
    """What DCLW adds to DCL: positives that are near already count less, far ones more.

    `mean (v_i - 1) s_i / temperature` over the positive pairs, `v_i = exp(s_i / sigma) / mean exp(s / sigma)` and `s_i`
    their cosine. `Decoupled(t) + PositiveTilt(t, sigma=0.5)` is DCLW: the decoupled loss with positives weighted by
    `2 - v_i`. The gradient flows through `v`. Source: Yeh et al. 2022, "Decoupled Contrastive Learning", eq. 7.

    Args:
        temperature: That of the decoupled loss.
        sigma: Above 0; 0.5 is theirs.
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> q, k = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> round(PositiveTilt(1.0, sigma=1.0)(q, k).item(), 4)  # (2 e / (e + 1) - 1) / 2
        0.2311
    """

    def __init__(self, temperature: float = 0.1, *, sigma: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        check_temperature(temperature)
        check_temperature(sigma)
        self.temperature, self.sigma = temperature, sigma

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Weighted mean over the positive pairs."""
        check_temperature(self.temperature)
        if not len(i):
            return (queries.z.sum() + keys.z.sum()) * 0
        score = (rows_at(queries.z, i) * rows_at(keys.z, j)).sum(1)
        tilt = torch.softmax(score / self.sigma, 0) * len(i) - 1
        return (tilt * score).mean() / self.temperature
