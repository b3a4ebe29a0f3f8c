"""What an equation sees of a block of queries: their whole rows of scores, and which entries are what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass
class Sparse:
    """Few positives a row, everything else negative with weight 1: the common case, with no `(n, m)` masks.

    `index` `(n, p)` holds the columns of the positives and `drop` `(n, j)` those of what is neither, each once;
    `count` and `dropped` `(n,)` say how many of them a row has. What is beyond repeats one of the row's own; a row that
    has none has any columns there, all different.
    """

    index: Int[Tensor, "n p"]
    count: Int[Tensor, " n"]
    drop: Int[Tensor, "n j"]
    dropped: Int[Tensor, " n"]

    @property
    def weight(self) -> Float[Tensor, "n p"]:
        """1 for a positive, 0 for padding."""
        return (torch.arange(self.index.shape[1], device=self.index.device) < self.count[:, None]).float()

    def rows(self, start: int, stop: int) -> Sparse:
        """Some of the rows."""
        dropped, drop = self.dropped[start:stop], self.drop[start:stop]
        if drop.shape[1]:
            drop = drop[:, : int(dropped.max())]
        return Sparse(self.index[start:stop], self.count[start:stop], drop, dropped)


class Block:
    """The rows of `b` queries against all `m` keys they see, shared and owned.

    Args:
        once: The scores are this block's alone and backward runs once, so their memory may be used again.

    Attributes:
        scores: Scores divided by the temperature, `(b, m)`.
        guide: A second score for the same pairs, `(b, m)`, or None.
        columns: The queries' columns, `(b,)` each.
        scale: 1 / temperature: one number, or one a row, `(b, 1)`.
        positive: Weights as positives, `(b, m)`, 0 or more.
        negative: Weights as negatives, `(b, m)`. An entry that is 0 in both is ignored.
    """

    def __init__(
        self,
        scores: Float[Tensor, "b m"],
        relation: Sparse | tuple[Float[Tensor, "b m"], Float[Tensor, "b m"]],
        guide: Float[Tensor, "b m"] | None = None,
        *,
        columns: Mapping[str, Tensor] | None = None,
        scale: Tensor | float = 1.0,
        once: bool = False,
    ) -> None:
        self.scores, self.guide = scores, guide
        self.columns: Mapping[str, Tensor] = columns or {}
        self.scale = scale
        self._relation, self._once = relation, once

    @cached_property
    def _weights(self) -> tuple[Tensor, Tensor]:
        if isinstance(self._relation, tuple):
            return self._relation
        sparse = self._relation
        positive = torch.zeros_like(self.scores, requires_grad=False)
        positive.scatter_add_(1, sparse.index, sparse.weight.to(positive.dtype))
        negative = (positive == 0).to(positive.dtype)
        return positive, _put(negative, sparse.drop, sparse.dropped, 0.0)

    @property
    def positive(self) -> Float[Tensor, "b m"]:
        """Weights as positives."""
        return self._weights[0]

    @property
    def negative(self) -> Float[Tensor, "b m"]:
        """Weights as negatives."""
        return self._weights[1]

    @property
    def any_negative(self) -> Bool[Tensor, " b"]:
        """Whether a row has a negative."""
        if isinstance(self._relation, Sparse):
            return self._relation.count + self._relation.dropped < self.scores.shape[1]
        return (self.negative > 0).any(1)

    @property
    def all_negatives(self) -> Float[Tensor, " b"]:
        """The weights of a row's negatives together."""
        if isinstance(self._relation, Sparse):
            return (self.scores.shape[1] - self._relation.count - self._relation.dropped).to(self.scores.dtype)
        return self.negative.sum(1)

    @property
    def single(self) -> bool:
        """Every row has at most one positive, and which one is known without an `(b, m)` mask."""
        return isinstance(self._relation, Sparse) and self._relation.index.shape[1] == 1

    def positives(self) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b p"]]:
        """Scores of the positives and their weights; entries with weight 0 are no positives."""
        if isinstance(self._relation, Sparse):
            return self.scores.gather(1, self._relation.index), self._relation.weight.to(self.scores.dtype)
        return self.scores, self.positive

    def negatives(self, nothing: float) -> Float[Tensor, "b m"]:
        """Scores of the negatives, whatever their weights, and `nothing` in the place of all others."""
        if not isinstance(self._relation, Sparse):
            return torch.where(self.negative > 0, self.scores, nothing)
        scores = _put(self.scores, self._relation.drop, self._relation.dropped, nothing)
        return _put(scores, self._relation.index, self._relation.count, nothing)

    def with_positives(self, change: Callable[[Float[Tensor, "b m"]], Float[Tensor, "b m"]]) -> Block:
        """The same block with the scores of its positives changed, by a margin say."""
        return self._with(torch.where(self.positive > 0, change(self.scores), self.scores))

    def with_negatives(self, log_weight: Float[Tensor, "b m"]) -> Block:
        """The same block with its negatives weighted, `w_ij exp(s_ij)`, by what is added to their scores."""
        return self._with(torch.where(self.negative > 0, self.scores + log_weight, self.scores))

    def _with(self, scores: Float[Tensor, "b m"]) -> Block:
        return Block(scores, self._relation, self.guide, columns=self.columns, scale=self.scale, once=self._once)

    def counted(self, *, positives: bool) -> Float[Tensor, "b m"]:
        """Scores with `log weight` added: what a log-sum-exp over the negatives takes, and over positives too if asked.

        A positive counts with weight 1. Entries that do not count are very negative but finite, so that a row in
        which nothing counts has a gradient (of zero).
        """
        nothing = torch.finfo(self.scores.dtype).min / 4
        if isinstance(self._relation, Sparse):
            if not positives:
                return self.negatives(nothing)
            return _put(self.scores, self._relation.drop, self._relation.dropped, nothing)
        weight = self.negative
        if positives:
            weight = torch.where(self.positive > 0, 1.0, weight)
        masked = torch.where(weight > 0, self.scores, nothing)
        return masked if bool((weight.bool() == weight).all()) else masked + log_weight(weight)

    def log_sum_exp(self, power: float = 1.0) -> Float[Tensor, "b 1"]:
        """`log sum_j w_j exp(power score_j)` over the negatives."""
        counted = self.counted(positives=False)
        return torch.logsumexp(counted if power == 1 else counted + (power - 1) * self.scores, dim=1, keepdim=True)

    def log_softmax(self) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b p"]]:
        """Log-probabilities of the positives among all positives and negatives, and weights as of `positives`.

        The scores are gone after it.
        """
        counted = self.counted(positives=True)
        del self.scores
        if not isinstance(self._relation, Sparse):
            return torch.log_softmax(counted, dim=1), self.positive
        index, weight = self._relation.index, self._relation.weight.to(counted.dtype)
        if self._once:
            return _LogSoftmaxAt.apply(counted, index)[0], weight  # type: ignore[no-untyped-call]
        return torch.log_softmax(counted, dim=1).gather(1, index), weight


class _LogSoftmaxAt(torch.autograd.Function):
    """`log_softmax(scores, 1).gather(1, index)`, once, in the memory of `scores`: forward and backward overwrite them.

    Plain autograd makes four more tensors `(b, m)`, and touching fresh memory costs as much as the arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        top = scores.amax(1, keepdim=True)
        picked = scores.gather(1, index)
        z = scores.sub_(top).exp_().sum(1, keepdim=True)
        ctx.mark_dirty(scores)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(scores, z, index)
        return picked - top - z.log(), scores

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, None]:
        if grad is None:
            return None, None
        exp, z, index = ctx.saved_tensors
        return exp.mul_(-grad.sum(1, keepdim=True) / z).scatter_add_(1, index, grad), None


def _put(scores: Tensor, index: Tensor, count: Tensor, value: float) -> Tensor:
    """With `value` at the places of each row that has some."""
    if not index.shape[1]:
        return scores
    return scores.scatter(1, index, torch.where(count[:, None] > 0, value, scores.gather(1, index)))


def log_weight(weight: Tensor) -> Tensor:
    """`log w`, and 0 where `w` is 0 (there the score itself is masked)."""
    return torch.where(weight > 0, weight, 1.0).log()


# weights that sum to less are nothing; above the least float, so that a gradient divided by it is finite
_LEAST = 1e-30


def shares(weight: Float[Tensor, "b m"]) -> Float[Tensor, "b m"]:
    """Each row's weights with the sum 1; all 0 where a row has none."""
    return weight / weight.sum(1, keepdim=True).clamp_min(_LEAST)


def weighted_mean(value: Float[Tensor, "b m"], weight: Float[Tensor, "b m"]) -> Float[Tensor, " b"]:
    """Mean of each row under its weights; 0 where a row has none. Values with weight 0 may be anything finite."""
    return (value * weight).sum(1) / weight.sum(1).clamp_min(_LEAST)
