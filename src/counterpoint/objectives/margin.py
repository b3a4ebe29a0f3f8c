"""Margin losses on positive and negative scores of a row, and the pairwise sigmoid loss."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.engine.blocks import Block
from counterpoint.geometry import Euclidean, Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout
from counterpoint.objectives._over import Over, mean_over
from counterpoint.objectives.pairs import Shape

Mining: TypeAlias = Literal["all", "hard", "semi-hard"]


class Triplet(RowObjective):
    """Triplet loss, `[d(i, p) - d(i, n) + margin]_+`, over the positives and negatives of each row.

    `mining` says which: `"all"` averages over every positive and negative; `"hard"` takes the farthest positive and
    the nearest negative; `"semi-hard"` takes for each positive the nearest negative that is farther than it, and the
    farthest negative where there is none. Distances are scores with the sign turned. With `shape=F.softplus` there is
    no margin at which a triplet stops to count.

    Sources: Schroff et al. 2015 (FaceNet), eq. 1 to 4 (semi-hard); Hermans et al. 2017, eq. 5 (hard), eq. 7 (all).

    Args:
        margin: In units of the distance, 0 or more.
        mining: Which triplets.
        shape: From `d(i, p) - d(i, n) + margin` to a loss.
        over: The mean is over `"rows"` (of each row's mean), over the `"terms"` of all rows, or over the `"active"`
            ones, whose loss is above 0. A term is a triplet.
        layout: Which keys a query sees.
        **options: `geometry` (Euclidean by default), `relation`, see `RowObjective`.

    Examples:
        >>> q, k = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [5.0]])
        >>> Triplet(margin=5.0)(q, k).item()  # rows [1 - 5 + 5], [1 - 3 + 5]
        2.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        *,
        mining: Mining = "all",
        shape: Shape = F.relu,
        over: Over = "rows",
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        options.setdefault("geometry", Euclidean())
        super().__init__(1.0, layout=layout, **options)
        self.margin, self.shape, self.over = margin, shape, over
        self.mining: Mining = mining

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's mean or hardest triplet."""
        scores, weight = block.positives()
        counts = (weight > 0).any(1) & block.any_negative
        if not bool(counts.any()):
            return block.scores.sum(1) * 0, counts
        nothing = torch.finfo(scores.dtype).max / 4
        others = block.negatives(-nothing)
        if self.mining == "hard":
            hardest = torch.where(weight > 0, scores, nothing).amin(1)
            gap = torch.where(counts, others.amax(1) - hardest, 0.0)
            return mean_over(self.shape(gap + self.margin)[:, None], counts[:, None].to(gap.dtype), self.over)
        if self.mining == "semi-hard":
            farthest = block.negatives(nothing).amin(1)
        # at most as many passes as a row has positives
        most = int((weight > 0).sum(1).max())
        top = weight.topk(most, dim=1)
        terms, weights = [], []
        for p, w in zip(scores.gather(1, top.indices).unbind(1), top.values.unbind(1), strict=True):
            if self.mining == "all":
                gap = block.scores - p[:, None]
                share = w[:, None] * block.negative
            else:
                farther = torch.where(others < p[:, None], others, -nothing).amax(1)
                gap = torch.where(counts, torch.where(farther > -nothing, farther, farthest) - p, 0.0)[:, None]
                share = (w * counts)[:, None]
            mean, total = mean_over(
                self.shape(gap + self.margin), share, "active" if self.over == "active" else "terms"
            )
            terms.append(mean)
            weights.append(total)
        loss, total = mean_over(torch.stack(terms, 1), torch.stack(weights, 1), "terms")
        return loss, counts.to(total.dtype) if self.over == "rows" else total


class Sigmoid(RowObjective):
    """Pairwise sigmoid loss: every pair is a yes or no of its own, `-sum_j w_ij log sigmoid(y_ij (s_ij + b))`.

    `s_ij` is the cosine divided by a learned temperature, `b` a learned bias, `y` is 1 for positives and -1 for
    negatives. Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", eq. 1 and algorithm 1 (where
    the temperature starts at 1/10 and the bias at -10). A query without positives counts, with its negatives.

    Args:
        temperature: Learned by default.
        bias: Where the bias starts.
        layout: Which keys a query sees; with one positive a query the loss is symmetric as it is.
        **options: `geometry`, `relation`, see `RowObjective`.

    Examples:
        >>> loss = Sigmoid(temperature=1.0, bias=0.0)
        >>> round(loss(torch.eye(2), torch.eye(2)).item(), 4)  # log(1 + 1/e) + log(2)
        1.0064
    """

    def __init__(
        self,
        temperature: float | Temperature | None = None,
        *,
        bias: float = -10.0,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(Temperature(0.1) if temperature is None else temperature, layout=layout, **options)
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Sum over the row of every pair's own logistic loss."""
        logits = block.scores + self.bias
        # softplus(-x) for positives, softplus(x) for negatives, in one pass where the weights are 0 or 1
        positive, negative = block.positive, block.negative
        loss = negative * F.softplus(logits) + positive * F.softplus(-logits)
        return loss.sum(1), ((positive + negative) > 0).any(1)
