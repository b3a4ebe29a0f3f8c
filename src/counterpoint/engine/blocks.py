"""What an equation sees of a block of queries: their whole rows of scores, and which entries are what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass
class Sparse:
    """Few positives a row, everything else negative with weight 1: the common case, with no `(n, m)` masks.

    `index` `(n, p)` holds the columns of the positives, `weight` `(n, p)` their weights (0: padding), `drop`
    `(n, j)` columns that are neither positive nor negative.
    """

    index: Int[Tensor, "n p"]
    weight: Float[Tensor, "n p"]
    drop: Int[Tensor, "n j"] | None


class Block:
    """The rows of `b` queries against all `m` keys they see, shared and owned.

    Attributes:
        scores: Scores divided by the temperature, `(b, m)`.
        guide: A second score for the same pairs, `(b, m)`, or None.
        positive: Weights as positives, `(b, m)`, 0 or more.
        negative: Weights as negatives, `(b, m)`. An entry that is 0 in both is ignored.
    """

    def __init__(
        self,
        scores: Float[Tensor, "b m"],
        relation: Sparse | tuple[Float[Tensor, "b m"], Float[Tensor, "b m"]],
        guide: Float[Tensor, "b m"] | None = None,
    ) -> None:
        self.scores, self.guide = scores, guide
        self._relation = relation

    @cached_property
    def _weights(self) -> tuple[Tensor, Tensor]:
        if isinstance(self._relation, tuple):
            return self._relation
        sparse = self._relation
        positive = torch.zeros_like(self.scores, requires_grad=False)
        positive.scatter_add_(1, sparse.index, sparse.weight.to(positive.dtype))
        negative = (positive == 0).to(positive.dtype)
        if sparse.drop is not None:
            negative.scatter_(1, sparse.drop, 0.0)
        return positive, negative

    @property
    def positive(self) -> Float[Tensor, "b m"]:
        """Weights as positives."""
        return self._weights[0]

    @property
    def negative(self) -> Float[Tensor, "b m"]:
        """Weights as negatives."""
        return self._weights[1]

    @property
    def single(self) -> bool:
        """Every row has at most one positive, and which one is known without an `(b, m)` mask."""
        return isinstance(self._relation, Sparse) and self._relation.index.shape[1] == 1

    def positives(self) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b p"]]:
        """Scores of the positives and their weights; entries with weight 0 are no positives."""
        if isinstance(self._relation, Sparse):
            return self.scores.gather(1, self._relation.index), self._relation.weight
        return self.scores, self.positive

    def counted(self, *, positives: bool) -> Float[Tensor, "b m"]:
        """Scores with `log weight` added: what a log-sum-exp over the negatives takes, and over positives too if asked.

        A positive counts with weight 1. Entries that do not count are very negative but finite, so that a row in
        which nothing counts has a gradient (of zero).
        """
        nothing = torch.finfo(self.scores.dtype).min / 4
        if isinstance(self._relation, Sparse):
            scores, sparse = self.scores, self._relation
            if sparse.drop is not None:
                scores = scores.scatter(1, sparse.drop, nothing)
            if positives or sparse.index.shape[1] == 0:
                return scores
            # padding repeats a positive of the row; a row without one keeps its scores
            some = (sparse.weight > 0).any(1, keepdim=True)
            hidden = torch.where(some, nothing, scores.gather(1, sparse.index))
            return scores.scatter(1, sparse.index, hidden)
        weight = self.negative
        if positives:
            weight = torch.where(self.positive > 0, 1.0, weight)
        masked = torch.where(weight > 0, self.scores, nothing)
        return masked if bool((weight.bool() == weight).all()) else masked + log_weight(weight)

    def log_sum_exp(self, *, positives: bool) -> Float[Tensor, "b 1"]:
        """`log sum_j w_j exp(score_j)` over what `counted` counts."""
        return torch.logsumexp(self.counted(positives=positives), dim=1, keepdim=True)


def log_weight(weight: Tensor) -> Tensor:
    """`log w`, and 0 where `w` is 0 (there the score itself is masked)."""
    return torch.where(weight > 0, weight, 1.0).log()


def weighted_mean(value: Float[Tensor, "b m"], weight: Float[Tensor, "b m"]) -> Float[Tensor, " b"]:
    """Mean of each row under its weights; 0 where a row has none. Values with weight 0 may be anything finite."""
    total = weight.sum(1)
    return (value * weight).sum(1) / torch.where(total > 0, total, 1.0)
