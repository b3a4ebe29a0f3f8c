"""Margin losses on positive and negative scores of a row, and the pairwise sigmoid loss."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.geometry import Euclidean, Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout

Mining: TypeAlias = Literal["all", "hard", "semi-hard"]


class Triplet(RowObjective):
    """Triplet loss, `[d(i, p) - d(i, n) + margin]_+`, over the positives and negatives of each row.

    `mining` says which: `"all"` averages over every positive and negative; `"hard"` takes the farthest positive and
    the nearest negative; `"semi-hard"` takes for each positive the nearest negative that is farther than it, and the
    farthest negative where there is none. Distances are scores with the sign turned.

    Sources: Schroff et al. 2015 (FaceNet), eq. 1 to 4 (semi-hard); Hermans et al. 2017, eq. 5 (hard), eq. 7 (all).

    Args:
        margin: In units of the distance, 0 or more.
        mining: Which triplets.
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
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        options.setdefault("geometry", Euclidean())
        super().__init__(1.0, layout=layout, **options)
        self.margin = margin
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
            farthest = torch.where(weight > 0, scores, nothing).amin(1)
            return F.relu(others.amax(1) - farthest + self.margin), counts
        # at most as many passes as a row has positives
        most = int((weight > 0).sum(1).max())
        top = weight.topk(most, dim=1)
        losses = []
        for p in scores.gather(1, top.indices).unbind(1):
            gap = block.scores - p[:, None] + self.margin
            if self.mining == "all":
                losses.append(weighted_mean(F.relu(gap), block.negative))
                continue
            farther = torch.where(others < p[:, None], others, -nothing).amax(1)
            farthest = block.negatives(nothing).amin(1)
            chosen = torch.where(farther > -nothing, farther, farthest)
            losses.append(F.relu(chosen - p + self.margin))
        return weighted_mean(torch.stack(losses, 1), top.values), counts


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
