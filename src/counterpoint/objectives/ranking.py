"""Ranking objectives: how many keys stand above each positive of a row, made smooth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def missing_precision(positives: Tensor, negatives: Tensor) -> Tensor:
    """`1 - (1 + positives) / (1 + positives + negatives)`: the mean over positives is 1 - average precision.

    Examples:
        >>> missing_precision(torch.tensor(1.0), torch.tensor(2.0)).item()
        0.5
    """
    return 1 - (1 + positives) / (1 + positives + negatives)


class Ranking(RowObjective):
    """A function of how many positives and negatives stand above each positive: `mean_p f(sum_P G, sum_N G)`.

    `G = sigmoid((s_j - s_p) / temperature)` is a smooth count. Average precision (SmoothAP): `f = 1 - (1 + a) / (1 + a
    + b)`, the default; the penalising functions of PNP look at the negatives only: `f = b`, `log(1 + b)`, ... Sources:
    Brown et al. 2020, "Smooth-AP"; Li et al. 2022, "Rethinking the Optimization of Average Precision: Only
    Penalizing Negative Instances before Positive Ones is Enough" (PNP).

    Args:
        temperature: Of the sigmoid.
        loss: From the counts `a` of positives and `b` of negatives above a positive to its loss.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Examples:
        >>> from counterpoint.points import Points
        >>> owned = Points(torch.tensor([[[0.2], [0.1], [0.3]]]), positive=torch.tensor([[1.0, 0.0, 0.0]]))
        >>> from counterpoint.geometry import Dot
        >>> loss = Ranking(0.001, geometry=Dot())(torch.ones(1, 1), owned=owned)
        >>> round(loss.item(), 4)  # the positive is second: precision 1 / 2
        0.5
    """

    def __init__(
        self,
        temperature: float = 0.01,
        *,
        loss: Loss = missing_precision,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        self.of = loss

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """One pass over the row for each of its positives, at most as many as a row has."""
        positive, negative = block.positive, block.negative
        counts = (positive > 0).any(1)
        if not bool(counts.any()):
            return block.scores.sum(1) * 0, counts
        top = positive.topk(int((positive > 0).sum(1).max()), dim=1)
        losses = []
        for column, weight in zip(top.indices.unbind(1), top.values.unbind(1), strict=True):
            own = block.scores.gather(1, column[:, None])
            above = torch.sigmoid(block.scores - own)
            # a positive is not above itself, where the sigmoid is 1/2
            higher = (positive * above).sum(1) - weight / 2
            losses.append(self.of(higher, (negative * above).sum(1)))
        return weighted_mean(torch.stack(losses, 1), top.values), counts


class FastAP(RowObjective):
    """1 - average precision from soft histograms of the distances to positives and to all: `mean_p` of precision a bin.

    `1 - 1/|P| sum_z h+(z) H+(z) / H(z)`, `h+` the histogram of positives over `bins + 1` evenly spaced centres, each
    score shared linearly by the two nearest ones, `H+` and `H` the cumulative counts of positives and of all, closest
    first. Source: Cakir et al. 2019, "Deep Metric Learning to Rank".

    Args:
        bins: How many.
        low: The lowest score there is; -1 for cosines, -4 for squared distances of unit vectors.
        high: The highest score there is.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a range or a number of bins that is none.

    Examples:
        >>> z = torch.eye(2)
        >>> FastAP()(z, z).item()  # the positive is in a bin of its own, before all others
        0.0
    """

    def __init__(
        self,
        bins: int = 10,
        *,
        low: float = -1.0,
        high: float = 1.0,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(1.0, layout=layout, **options)
        if bins < 1 or not low < high:
            raise InputError(f"{bins} bins from {low} to {high}", fix="give 1 bin or more and a range from low to high")
        self.bins, self.low, self.high = bins, low, high

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Histograms, one bin at a time."""
        positive, negative = block.positive, block.negative
        width = (self.high - self.low) / self.bins
        total = positive.sum(1)
        of_positives = of_all = precision = torch.zeros_like(total)
        for centre in torch.linspace(self.high, self.low, self.bins + 1).tolist():
            inside = F.relu(1 - (block.scores - centre).abs() / width)
            here = (positive * inside).sum(1)
            of_positives = of_positives + here
            of_all = of_all + here + (negative * inside).sum(1)
            some = of_all > 0
            share = of_positives / torch.where(some, of_all, 1.0)
            precision = precision + torch.where(some, here * share, 0.0)
        return 1 - precision / torch.where(total > 0, total, 1.0), total > 0
