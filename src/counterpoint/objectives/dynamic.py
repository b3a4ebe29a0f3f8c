"""A triplet's weight from where it stands among recent triplets."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Euclidean
from counterpoint.objectives._over import mean_over
from counterpoint.objectives._whole import WholeObjective


class DynamicTriplet(WholeObjective):
    """Triplets without a margin: `mean CDF(v) v`, `v = d(i, p) - d(i, n)`, the harder the heavier.

    `CDF` is the cumulative histogram of `v` in recent batches, a moving average without gradient that begins with the
    first batch; each `v` is shared linearly by two bins and weighted by the sum up to its lower one. Source: Zhang and
    Rusinkiewicz 2019, "Learning Local Descriptors with a CDF-Based Dynamic Soft Margin".

    Args:
        bins: How many.
        low: The lowest `v` there is, -2 for unit vectors; the highest is its opposite.
        momentum: Weight of a new batch, above 0 and at most 1.
        **options: `layout`, `geometry` (distances of unit vectors by default), `relation`, see `RowObjective`.

    Raises:
        InputError: for a number out of its range.

    Examples:
        >>> z = torch.eye(2)
        >>> round(DynamicTriplet()(z, z).item(), 4)  # both triplets at -sqrt(2), all of the histogram's lower bin
        -0.7574
    """

    uses = frozenset({"owned"})
    histogram: Tensor

    def __init__(self, bins: int = 10, *, low: float = -2.0, momentum: float = 0.01, **options: Any) -> None:
        options.setdefault("geometry", Euclidean(normalized=True))
        super().__init__(**options)
        if bins < 1 or low >= 0 or not 0 < momentum <= 1:
            raise InputError(
                f"{bins} bins from {low} with momentum {momentum}",
                fix="give 1 bin or more, a low below 0, and a momentum above 0 and at most 1",
            )
        self.bins, self.low, self.momentum = bins, low, momentum
        self.register_buffer("histogram", torch.zeros(bins + 1))

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """All triplets first, then their histogram, then their weights."""
        positive, negative = block.positive, block.negative
        counts = (positive > 0).any(1) & (negative > 0).any(1)
        if not bool(counts.any()):
            return block.scores.sum(1) * 0, counts.to(block.scores.dtype)
        top = positive.topk(int((positive > 0).sum(1).max()), dim=1)
        gap = block.scores[:, None] - block.scores.gather(1, top.indices)[..., None]
        weight = top.values[..., None] * negative[:, None]
        share = self._share(gap.detach(), weight)
        return mean_over((share * gap).flatten(1), weight.flatten(1), "terms")

    def _share(self, gap: Tensor, weight: Tensor) -> Tensor:
        """The cumulative histogram up to each gap, this batch's counted in."""
        place = ((gap - self.low) * self.bins / (-2 * self.low)).clamp(0, self.bins)
        lower = place.floor().clamp_max(self.bins - 1)
        index, upper = lower.long(), place - lower
        now = torch.zeros(self.bins + 1, dtype=gap.dtype, device=gap.device)
        now = now.scatter_add(0, index.flatten(), (weight * (1 - upper)).flatten())
        now = now.scatter_add(0, index.flatten() + 1, (weight * upper).flatten())
        now = now / now.sum()
        momentum = self.momentum if bool(self.histogram.any()) else 1.0
        self.histogram = (1 - momentum) * self.histogram.to(now.dtype) + momentum * now
        return self.histogram.cumsum(0)[index]
