"""A margin with two ends: how far some negatives may be from the positive, and how near."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.objectives._base import RowObjective


class BoundedMargin(RowObjective):
    """Bidirectional margin loss: negatives score below the positive by `alpha` or more, and by `beta` or less.

    With `d_in = s_in - s_ip` it is `sum_n w_n ([d_in + alpha]_+ + [-d_in - beta]_+)`, `w` the weights of the relation,
    `s_ip` the mean score of a row's positives. It is for negatives that are half positives: soft ones, false ones. With
    weights of which a row's add up to 1 it is a mean.

    Source: Deng et al. 2023, "Clustering-Aware Negative Sampling for Unsupervised Sentence Representation", and the
    authors' code, for negatives of the same cluster; it is Wang et al.'s of SNCSE (2022), for negated sentences.

    Args:
        alpha: 0 or more.
        beta: `alpha` or more.
        **options: `layout`, `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for margins out of their range.

    Examples:
        >>> import torch
        >>> q, k = torch.eye(3), torch.eye(3)
        >>> round(BoundedMargin(0.1, 0.3)(q, k).item(), 4)  # two negatives, 1 below the positive: 0.7 too far each
        1.4
    """

    def __init__(self, alpha: float = 0.0, beta: float = 0.3, **options: Any) -> None:
        super().__init__(1.0, **options)
        if not 0 <= alpha <= beta:
            raise InputError(f"margins from {alpha} to {beta}", fix="give two of 0 or more, the smaller first")
        self.alpha, self.beta = alpha, beta

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The sum over the negatives of the row."""
        scores, weight = block.positives()
        gap = block.scores - weighted_mean(scores, weight)[:, None]
        beyond = F.relu(gap + self.alpha) + F.relu(-gap - self.beta)
        return (block.negative * beyond).sum(1), (weight > 0).any(1)
