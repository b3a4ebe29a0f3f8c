"""Objectives whose rows need each other: statistics of the batch, negatives of both ends of a pair, sets of points."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Euclidean, Temperature
from counterpoint.objectives._over import Over, mean_over
from counterpoint.objectives._whole import WholeObjective
from counterpoint.objectives.mining import Mined, Miner, weighted
from counterpoint.objectives.pairs import Pool
from counterpoint.relation import Relation, same


class MinedTogether(WholeObjective, Mined):
    """`Mined` with a miner that must see the whole batch, such as `hardest_share`.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> loss = MinedTogether(InfoNCE(1.0), hardest_share(1.0))
        >>> round(loss(torch.eye(3), torch.eye(3)).item(), 4)  # all of them: InfoNCE itself
        0.5514
    """

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The objective's equation on what is left."""
        return Mined.rows(self, block)


def hardest_share(share: float = 0.5) -> Miner:
    """The given share of all positives of the batch, the lowest, and of all negatives, the highest.

    Source: Yuan et al. 2017, "Hard-Aware Deeply Cascaded Embedding".

    Args:
        share: Above 0, at most 1; what it gives is rounded up.

    Raises:
        InputError: for a share out of its range.

    Examples:
        >>> block = Block(torch.tensor([[0.5, 0.9, 0.1]]), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])))
        >>> hardest_share(0.5)(block).negative
        tensor([[0., 1., 0.]])
    """
    if not 0 < share <= 1:
        raise InputError(f"the share is {share}", fix="give a share above 0 and at most 1")

    def hardest(scores: Tensor, weight: Tensor) -> Tensor:
        keep = weight > 0
        number = math.ceil(share * int(keep.sum()))
        kept = torch.zeros_like(keep).flatten()
        chosen = torch.where(keep, scores, -math.inf).flatten().topk(number).indices
        return kept.index_fill(0, chosen, True).reshape(keep.shape)

    def mine(block: Block) -> Block:
        scores = block.scores.detach()
        return weighted(block, hardest(-scores, block.positive), hardest(scores, block.negative))

    return mine


def among_the_other_side(block: Block) -> Block:
    """Positives that score below some negative of the batch, negatives that score above some positive of it.

    Examples:
        >>> block = Block(torch.tensor([[0.5, 0.9, 0.1]]), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])))
        >>> among_the_other_side(block).negative
        tensor([[0., 1., 0.]])
    """
    scores, p, n = block.scores.detach(), block.positive > 0, block.negative > 0
    lowest = torch.where(p, scores, math.inf).amin()
    highest = torch.where(n, scores, -math.inf).amax()
    return weighted(block, scores < highest, scores > lowest)


def even_scores(bins: int = 100) -> Miner:
    """Weights with which every filled bin of the scores, from the lowest to the highest of a side, counts alike.

    They are the expectation of drawing the same number of pairs from every bin.

    Args:
        bins: How many a side.

    Examples:
        >>> block = Block(torch.tensor([[9.0, 0.9, 0.9, 0.1]]), (torch.eye(4)[:1], 1 - torch.eye(4)[:1]))
        >>> even_scores(2)(block).negative
        tensor([[0.0000, 0.5000, 0.5000, 1.0000]])
    """

    def even(scores: Tensor, weight: Tensor) -> Tensor:
        keep = weight > 0
        if not bool(keep.any()):
            return keep.to(scores.dtype)
        low, high = scores[keep].amin(), scores[keep].amax()
        width = torch.where(high > low, (high - low) / bins, 1.0)
        place = ((scores - low) / width).long().clamp(0, bins - 1)
        count = torch.bincount(place[keep], minlength=bins).clamp_min(1)
        return keep / count[place].to(scores.dtype)

    def mine(block: Block) -> Block:
        scores = block.scores.detach()
        return weighted(block, even(scores, block.positive), even(scores, block.negative))

    return mine


class PairVariance(WholeObjective):
    """How far pairs are on the wrong side of the batch's own mean.

    `[(1 - e) mean_p - s_p]_+^2` for positives and `[s_n - (1 + e) mean_n]_+^2` for negatives. The means, through which
    the gradient flows, are over all positives, and all negatives, of the batch. The sum of an objective for each side
    averages both by themselves. Source: Yu and Tao 2019, "Deep Metric Learning with Tuplet Margin Loss" (intra-pair
    variance).

    Args:
        positive: `e` of the positives; None: positives are not looked at.
        negative: `e` of the negatives; None: negatives are not looked at.
        over: As of `Pairs`.
        **options: `layout`, `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: if neither side is asked for.

    Examples:
        >>> PairVariance(0.0)(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])).item()  # positives at 1 and 0
        0.125
    """

    def __init__(
        self,
        positive: float | None = None,
        negative: float | None = None,
        *,
        over: Over = "terms",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if positive is None and negative is None:
            raise InputError("neither positives nor negatives are looked at", fix="give one of them, or both")
        self.positive, self.negative, self.over = positive, negative, over

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Squared hinges on margins that are means of the batch."""
        terms, weights = [], []
        if self.positive is not None:
            mean = _mean(block.scores, block.positive)
            terms.append(F.relu((1 - self.positive) * mean - block.scores).square())
            weights.append(block.positive)
        if self.negative is not None:
            mean = _mean(block.scores, block.negative)
            terms.append(F.relu(block.scores - (1 + self.negative) * mean).square())
            weights.append(block.negative)
        return mean_over(torch.cat(terms, 1), torch.cat(weights, 1), self.over)


def _mean(scores: Tensor, weight: Tensor) -> Tensor:
    """Over all entries of all rows."""
    return weighted_mean(scores.reshape(1, -1), weight.reshape(1, -1))[0]


class LiftedStructure(WholeObjective):
    """A positive pair against the negatives of both its ends: `[log sum exp(m_n - d) + d_ij - m_p]_+^2 / 2`.

    The log-sum-exp is over the negatives of the query and those of the key. Source: Oh Song et al. 2016, "Deep Metric
    Learning via Lifted Structured Feature Embedding", where `m_p` is 0.

    Args:
        positive: The score from which on a positive is good, `-m_p`.
        negative: The score that a negative should not have, `-m_n`.
        over: Over the pairs (`"terms"`) by default.
        **options: `layout`, `geometry` (Euclidean by default), `relation`, see `RowObjective`.

    Examples:
        >>> q, k = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [5.0]])
        >>> round(LiftedStructure()(q, k).item(), 4)  # pair 0: log(e^-4 + e^-2) + 1 is below 0, and so is pair 1
        0.0
    """

    uses = frozenset()

    def __init__(
        self,
        positive: float = 0.0,
        negative: float = -1.0,
        *,
        over: Over = "terms",
        **options: Any,
    ) -> None:
        options.setdefault("geometry", Euclidean())
        super().__init__(**options)
        self.positive, self.negative, self.over = positive, negative, over

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Each end's negatives once, and their sum for every pair."""
        violation, weight = block.scores - self.negative, block.negative
        nothing = torch.finfo(violation.dtype).min / 4
        masked = torch.where(weight > 0, violation + torch.where(weight > 0, weight, 1.0).log(), nothing)
        both = torch.logaddexp(masked.logsumexp(1)[:, None], masked.logsumexp(0)[None])
        value = F.relu(both + self.positive - block.scores).square() / 2
        some = (weight > 0).any(1)[:, None] | (weight > 0).any(0)[None]
        return mean_over(value, block.positive * some, self.over)


class Angular(WholeObjective):
    """A bound on the angle at the negative: `log(1 + sum_n exp(4 t (a + p) . n - 2 (1 + t) a . p))`.

    `t` is the squared tangent of the angle. Points are contrasted with themselves: the layout is `views`. Source: Wang
    et al. 2017, "Deep Metric Learning with Angular Loss".

    Args:
        angle: In radians, above 0 and below pi / 2; pi / 4 is among theirs.
        over: Over the pairs (`"terms"`) by default.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for an angle out of its range.

    Examples:
        >>> from counterpoint.points import Points
        >>> loss = Angular(math.pi / 4)  # t = 1: log(1 + exp(4 (0 + 0) - 4))
        >>> points = Points(torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]]), sample=torch.tensor([0, 0, 1]))
        >>> round(loss(points).item(), 4)
        0.0181
    """

    uses = frozenset()

    def __init__(self, angle: float = math.pi / 4, *, over: Over = "terms", **options: Any) -> None:
        super().__init__(layout="views", **options)
        if not 0 < angle < math.pi / 2:
            raise InputError(f"the angle is {angle}", fix="give radians above 0 and below pi / 2")
        self.square, self.over = math.tan(angle) ** 2, over

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """One pass for each positive of a row, at most as many as a row has."""
        scores, positive = block.scores, block.positive
        counts = (positive > 0).any(1) & block.any_negative
        if not bool(counts.any()):
            return scores.sum(1) * 0, counts.to(scores.dtype)
        top = positive.topk(int((positive > 0).sum(1).max()), dim=1)
        pool, terms = Pool(floor=True), []
        for column in top.indices.unbind(1):
            own = scores.gather(1, column[:, None])
            negatives = 4 * self.square * (scores + scores[column])
            terms.append(pool(negatives - 2 * (1 + self.square) * own, block.negative))
        return mean_over(torch.stack(terms, 1), top.values * counts[:, None], self.over)


class Histogram(WholeObjective):
    """The chance that a negative scores above a positive: `sum_r h-_r sum_{q <= r} h+_q`, from soft histograms.

    Each score is shared linearly by the two nearest of `bins + 1` evenly spaced centres. As an average over negatives:
    of the share of the batch's positives below each. Source: Ustinova and Lempitsky 2016, "Learning Deep Embeddings
    with Histogram Loss".

    Args:
        bins: How many.
        low: The lowest score there is; -1 for cosines.
        high: The highest score there is.
        **options: `layout`, `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a range or a number of bins that is none.

    Examples:
        >>> Histogram()(torch.eye(2), torch.eye(2)).item()  # negatives at 0, positives at 1
        0.0
    """

    def __init__(self, bins: int = 100, *, low: float = -1.0, high: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        if bins < 1 or not low < high:
            raise InputError(f"{bins} bins from {low} to {high}", fix="give 1 bin or more and a range from low to high")
        self.bins, self.low, self.high = bins, low, high

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """The cumulative histogram of positives, read at every negative."""
        place = ((block.scores - self.low) * self.bins / (self.high - self.low)).clamp(0, self.bins)
        below = place.detach().floor().clamp_max(self.bins - 1)
        upper, index = place - below, below.long()
        positive = block.positive
        share = positive / positive.sum().clamp_min(torch.finfo(positive.dtype).tiny)
        histogram = torch.zeros(self.bins + 1, dtype=place.dtype, device=place.device)
        histogram = histogram.scatter_add(0, index.flatten(), (share * (1 - upper)).flatten())
        histogram = histogram.scatter_add(0, index.flatten() + 1, (share * upper).flatten())
        total = histogram.cumsum(0)
        terms = (1 - upper) * total[index] + upper * total[index + 1]
        some = (positive > 0).any()
        return mean_over(terms, block.negative * some, "terms")


class InterSet(WholeObjective):
    """Sets of points, pushed apart: the mean over sets `S` of `log sum_{m in S, n not in S} exp(s(u_m, u_n))`.

    Only pairs of two sets are looked at, so nothing is attracted but by what all others leave free. A set is of the
    points with one value of a column; those of none (-1) are outside of every set, and those of weight 0 in none. The
    sum over sets is this times their number. Source: Liu 2024, "SetCSE: Set Operations using Contrastive Learning of
    Sentence Embeddings" (the inter-set contrastive loss).

    Args:
        temperature: A number or a learned `Temperature`.
        column: Of whole numbers: which set a point is of.
        **options: `geometry`, `relation` (its negatives; by default all of other sets), see `RowObjective`.

    Raises:
        InputError: in a call, for points without the column.

    Examples:
        >>> from counterpoint.points import Points
        >>> points = Points(torch.eye(3), label=torch.tensor([0, 0, 1]))
        >>> round(InterSet(1.0)(points).item(), 4)  # two pairs at a cosine of 0, seen from either set: log(2)
        0.6931
    """

    uses = frozenset()

    def __init__(self, temperature: float | Temperature = 0.05, *, column: str = "label", **options: Any) -> None:
        options.setdefault("relation", Relation(same(column)))
        super().__init__(temperature, layout="views", **options)
        self.column = column

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Each row has the value of its set, and counts for its share of it."""
        if self.column not in block.columns:
            raise InputError("nothing says which set a point is of", fix=f"give points a {self.column!r} column")
        nothing = torch.finfo(block.scores.dtype).min / 4
        counts = block.any_negative & (block.columns[self.column] >= 0)
        if "weight" in block.columns:
            counts = counts & (block.columns["weight"] > 0)
        sums = torch.where(counts, Pool()(block.scores, block.negative), nothing)
        _, place = torch.unique(block.columns[self.column], return_inverse=True)
        alike = (place[:, None] == place) & counts
        value = torch.where(alike, sums, nothing).logsumexp(1)
        return torch.where(counts, value, 0.0), counts / alike.sum(1).clamp_min(1)
