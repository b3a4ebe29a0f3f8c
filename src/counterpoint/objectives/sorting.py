"""Learning by sorting: positives must come after the negatives in a differentiable sort."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout


def odd_even_sort(x: Float[Tensor, "n k"], *, steepness: float = 1.0) -> Float[Tensor, "n k k"]:
    """Soft permutations that sort each row upwards: `p[i, j]` is how much of entry i ends at rank j.

    An odd-even network of k layers; two neighbours stay with `a = atan(steepness (x_right - x_left)) / pi + 1/2` and
    change places with `1 - a`, values and shares alike. Source: Petersen et al. 2022, "Monotonic Differentiable Sorting
    Networks", eq. 3, 4 and 12 (Cauchy).

    Args:
        x: Rows of k values.
        steepness: Above 0; the higher, the nearer to a hard sort.

    Examples:
        >>> odd_even_sort(torch.tensor([[2.0, 1.0]]), steepness=1e6).round()
        tensor([[[0., 1.],
                 [1., 0.]]])
    """
    n, k = x.shape
    shares = torch.eye(k, dtype=x.dtype, device=x.device).expand(n, k, k)
    for layer in range(k):
        left = torch.arange(layer % 2, k - 1, 2, device=x.device)
        if not len(left):
            continue
        a, b = x[:, left], x[:, left + 1]
        stay = torch.atan(steepness * (b - a)) / math.pi + 0.5
        x = x.index_copy(1, left, stay * a + (1 - stay) * b).index_copy(1, left + 1, (1 - stay) * a + stay * b)
        stay = stay[:, None]
        a, b = shares[:, :, left], shares[:, :, left + 1]
        shares = shares.index_copy(2, left, stay * a + (1 - stay) * b)
        shares = shares.index_copy(2, left + 1, (1 - stay) * a + stay * b)
    return shares


class GroCo(RowObjective):
    """Group ordering constraints: all of a query's positives must be sorted behind its hardest negatives.

    The scores of the positives and of the `top` hardest negatives go through `odd_even_sort`, in the right order to
    begin with; what share of each entry ends among the negatives' ranks and among the positives' is held against the
    truth by a binary cross-entropy. The keys have no gradient, as in the paper. Source: Shvetsova et al. 2023,
    "Learning by Sorting: Self-supervised Learning with Group Ordering Constraints", eq. 5 to 8, and the authors' code.

    Args:
        top: How many negatives, 1 or more; fewer where a row has fewer.
        steepness: Of the sort.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a number out of its range.

    Examples:
        >>> q = torch.eye(2)
        >>> round(GroCo(1, steepness=1.0, layout="one-way")(q, q).item(), 4)  # -log(atan(1) / pi + 1/2)
        0.2877
    """

    keys_follow = False

    def __init__(self, top: int = 10, *, steepness: float = 1.0, layout: Layout = "views", **options: Any) -> None:
        super().__init__(1.0, layout=layout, **options)
        if top < 1 or steepness <= 0:
            raise InputError(f"{top} negatives at a steepness of {steepness}", fix="give 1 or more, and above 0")
        self.top, self.steepness = top, steepness

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Cross-entropy of where the entries end; rows of one make are sorted together."""
        positive, negative = block.positive > 0, block.negative > 0
        number, hardest = positive.sum(1), negative.sum(1).clamp_max(self.top)
        counts = (number > 0) & (hardest > 0)
        nothing = torch.finfo(block.scores.dtype).max / 4
        losses = block.scores.sum(1) * 0
        for p, n in torch.unique(torch.stack([number, hardest], 1)[counts], dim=0).tolist():
            rows = counts & (number == p) & (hardest == n)
            scores = block.scores[rows]
            near = torch.where(negative[rows], scores, -nothing).topk(n, 1).values.flip(1)
            mine = torch.where(positive[rows], scores, -nothing).topk(p, 1).values.flip(1)
            shares = odd_even_sort(torch.cat([near, mine], 1), steepness=self.steepness)
            behind = shares[:, :, n:].sum(2)
            # the shares of an entry add up to 1, so both groups of ranks have the same cross-entropy
            eps = torch.finfo(behind.dtype).tiny
            right = torch.cat([1 - behind[:, :n], behind[:, n:]], 1).clamp(eps, 1)
            losses = losses.index_put((rows,), -right.log().mean(1))
        return losses, counts
