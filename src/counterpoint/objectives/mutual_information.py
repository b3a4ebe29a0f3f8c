"""Variational bounds on the mutual information of queries and keys; the critic is the geometry.

Minus the loss, plus what the loss is where nothing is known (`guess`), is the estimate in nats. For `InfoNCE` that is
`log N - loss`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective, RowObjective
from counterpoint.objectives._layouts import Layout, rows_at
from counterpoint.points import Points


class NWJ(RowObjective):
    """The bound of Nguyen, Wainwright and Jordan, `-mean_p s_ip + mean_n exp(s_in - 1)`.

    Its expectation is at least `-I`, and equal where `s = 1 + log p(x, y) / (p(x) p(y))`; unlike InfoNCE's it is not
    held below the logarithm of the batch, and its variance is large. Sources: Nguyen et al. 2010; Tschannen et al.
    2020, "On Mutual Information Maximization for Representation Learning", eq. 4.

    Args:
        layout: Which keys a query sees.
        **options: `geometry`, the critic (`Dot` by default), and `relation`, see `RowObjective`.

    Examples:
        >>> import torch
        >>> z = torch.eye(2)
        >>> round(NWJ()(z, z).item(), 4)  # -1 + exp(-1)
        -0.6321
    """

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Means over the positives and over the negatives of a row."""
        return _means(block, torch.neg, lambda s: (s - 1).exp())

    def guess(self, queries: int, keys: int | None) -> float | None:
        """0, with the best score that knows nothing, 1."""
        del queries, keys
        return 0.0


class GaussianInformation(PointObjective):
    """Minus the mutual information of both ends of a pair, if their numbers were Gaussian: `mean 1/2 log(1 - s^2)`.

    `s` is the cosine, which of vectors with mean 0 is the correlation of their numbers. Where `1 - s^2` is below the
    precision of the numbers it stands for it, without a gradient. Source: of attention in Klein and Nabi 2022, "miCSE:
    Mutual Information Contrastive Learning for Low-shot Sentence Embeddings", and the authors' code.

    Args:
        scale: A column of the queries that each pair's information is multiplied by; "": none.
        **options: `geometry` (the cosine by default), `relation`, see `PointObjective`.

    Raises:
        InputError: in a call, if the column is lacking.

    Examples:
        >>> import torch
        >>> x, y = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[1.0, 0.0, -1.0]])
        >>> round(GaussianInformation()(x, y).item(), 4)  # log(3/4) / 2
        -0.1438
    """

    def __init__(self, scale: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """The mean over positive pairs."""
        if self.scale and self.scale not in queries.columns:
            raise InputError(f"information is scaled by the column {self.scale!r}, which is lacking", fix="add it")
        if not len(i):
            return (queries.z.sum() + keys.z.sum()) * 0
        s = (rows_at(queries.z, i) * rows_at(keys.z, j)).sum(1)
        information = -0.5 * (1 - s.square()).clamp_min(torch.finfo(s.dtype).eps).log()
        if self.scale:
            information = information * queries.columns[self.scale][i].to(s)
        return -information.mean()


class JSD(RowObjective):
    """The bound on the Jensen-Shannon divergence, `mean_p log(1 + exp(-s_ip)) + mean_n log(1 + exp(s_in))`.

    Its expectation is at least `2 log 2` minus twice the divergence of the joint from the product of the marginals, and
    equal where `s` is their log ratio. It stands for mutual information where that is only to be raised; it is no bound
    on it. Sources: Nowozin et al. 2016 (GAN); Hjelm et al. 2019, "Learning Deep Representations by Mutual
    Information Estimation and Maximization", eq. 4.

    Args:
        layout: Which keys a query sees.
        **options: `geometry`, the critic (`Dot` by default), and `relation`, see `RowObjective`.

    Examples:
        >>> import torch
        >>> z = torch.eye(2)
        >>> round(JSD()(z, z).item(), 4)  # log(1 + exp(-1)) + log(2)
        1.0064
    """

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Means over the positives and over the negatives of a row."""
        return _means(block, lambda s: F.softplus(-s), F.softplus)

    def guess(self, queries: int, keys: int | None) -> float | None:
        """`2 log 2`, with all scores 0."""
        del queries, keys
        return 2 * math.log(2)


def _means(
    block: Block, attract: Callable[[Tensor], Tensor], repel: Callable[[Tensor], Tensor]
) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
    positive, negative = block.positive, block.negative
    counts = (positive > 0).any(1) & (negative > 0).any(1)
    # the exponential of a score that does not count may be infinite, and its gradient with it
    weight = block.columns.get("weight")
    seen = counts if weight is None else counts & (weight > 0)
    others = torch.where((negative > 0) & seen[:, None], block.scores, 0.0)
    return weighted_mean(attract(block.scores), positive) + weighted_mean(repel(others), negative), counts
