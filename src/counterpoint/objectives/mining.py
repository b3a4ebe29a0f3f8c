"""Mining: which positives and negatives of a row an objective sees, chosen by the scores themselves.

A miner is a function from a `Block` to a `Block` with other weights, without gradient; `Mined` puts it in front of any
row objective. Which triplets an objective takes among all can also be said by its shape: `Triplet(0.2, shape=lambda v:
F.relu(v) * (v < 0.2), over="active")` are the semi-hard ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Geometry, Lp
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives.pairs import Pairs

Miner: TypeAlias = Callable[[Block], Block]
Choice: TypeAlias = Literal["all", "hard", "semi-hard", "easy"]


class Mined(RowObjective):
    """A row objective that sees only what a miner leaves of each row.

    Args:
        objective: Its layout, geometry, relation and temperature are kept.
        miner: From a block to a block with other weights, row by row.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> z = torch.eye(3)
        >>> round(Mined(InfoNCE(1.0), pick(negative="hard"))(z, z).item(), 4)  # one negative: log(e + 1) - 1
        0.3133
    """

    def __init__(self, objective: RowObjective, miner: Miner) -> None:
        super().__init__(
            objective.temperature,
            layout=objective.layout,
            geometry=objective.geometry,
            relation=objective.relation,
            guide_geometry=objective.guide_geometry,
        )
        self.objective, self.miner = objective, miner
        self.uses = objective.uses | {"guide"}  # type: ignore[misc]

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The objective's equation on what is left."""
        return self.objective.rows(self.miner(block))

    def finish(self, mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """As the objective does."""
        return self.objective.finish(mean)


def weighted(block: Block, positive: Tensor | None = None, negative: Tensor | None = None) -> Block:
    """The same scores, with the weights of a side multiplied.

    Examples:
        >>> block = Block(torch.zeros(1, 2), (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])))
        >>> weighted(block, negative=torch.tensor([[0.5, 0.5]])).negative
        tensor([[0.0000, 0.5000]])
    """
    left, right = block.positive, block.negative
    left = left if positive is None else left * positive
    right = right if negative is None else right * negative
    return Block(block.scores, (left, right), block.guide, columns=block.columns, scale=block.scale)


def _furthest(scores: Tensor, keep: Tensor, *, high: bool) -> Float[Tensor, "b 1"]:
    """The highest or lowest score that is kept; minus or plus infinity where none is."""
    nothing = -math.inf if high else math.inf
    masked = torch.where(keep, scores, nothing)
    return masked.amax(1, keepdim=True) if high else masked.amin(1, keepdim=True)


def _only(scores: Tensor, keep: Tensor, *, high: bool) -> Bool[Tensor, "b m"]:
    """The first of the highest or lowest that are kept."""
    best = keep & (scores == _furthest(scores, keep, high=high))
    return best & (best.cumsum(1) == 1)


def pick(positive: Choice = "all", negative: Choice = "all") -> Miner:
    """One positive, one negative, or all of either.

    `"hard"` is the lowest positive and the highest negative, `"easy"` the highest positive and the lowest negative.
    `"semi-hard"` is the hardest of those on the right side of what the other choice picked: negatives below the
    positive, positives above the negative. Sources: Hermans et al. 2017 (hard); Schroff et al. 2015 (semi-hard); Xuan
    et al. 2020, "Improved Embeddings with Easy Positive Triplet Mining".

    Args:
        positive: Which positive.
        negative: Which negative.

    Raises:
        InputError: if one is semi-hard and the other does not pick one.

    Examples:
        >>> block = Block(torch.tensor([[0.5, 0.9, 0.7]]), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])))
        >>> pick(negative="hard")(block).negative
        tensor([[0., 1., 0.]])
    """
    if "semi-hard" in (positive, negative) and not {"hard", "easy"} & {positive, negative}:
        raise InputError(
            "semi-hard is hard on the right side of one other score, and the other side picks none",
            fix="let the other side be 'hard' or 'easy'",
        )

    def mine(block: Block) -> Block:
        scores, p, n = block.scores.detach(), block.positive > 0, block.negative > 0
        if positive in ("hard", "easy"):
            p = _only(scores, p, high=positive == "easy")
        if negative in ("hard", "easy"):
            n = _only(scores, n, high=negative == "hard")
        if positive == "semi-hard":
            p = _only(scores, p & (scores > _furthest(scores, n, high=True)), high=False)
        if negative == "semi-hard":
            n = _only(scores, n & (scores < _furthest(scores, p, high=False)), high=True)
        return weighted(block, p, n)

    return mine


def near_the_other_side(epsilon: float = 0.1) -> Miner:
    """Positives below the highest negative plus `epsilon`, negatives above the lowest positive minus `epsilon`.

    Source: Wang et al. 2019, "Multi-Similarity Loss", section on pair mining.

    Args:
        epsilon: In units of the score.

    Examples:
        >>> block = Block(torch.tensor([[0.5, 0.9, 0.1]]), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])))
        >>> near_the_other_side()(block).negative
        tensor([[0., 1., 0.]])
    """

    def mine(block: Block) -> Block:
        scores, p, n = block.scores.detach(), block.positive > 0, block.negative > 0
        hard_p = scores - epsilon < _furthest(scores, n, high=True)
        hard_n = scores + epsilon > _furthest(scores, p, high=False)
        return weighted(block, hard_p, hard_n)

    return mine


def beyond(positive: float, negative: float) -> Miner:
    """Positives that score below one threshold, negatives that score above another.

    Args:
        positive: Positives at or above it are done.
        negative: Negatives at or below it are done.

    Examples:
        >>> block = Block(torch.tensor([[0.5, 0.9, 0.1]]), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])))
        >>> beyond(0.4, 0.8)(block).positive, beyond(0.4, 0.8)(block).negative
        (tensor([[0., 0., 0.]]), tensor([[0., 1., 0.]]))
    """

    def mine(block: Block) -> Block:
        scores = block.scores.detach()
        return weighted(block, scores < positive, scores > negative)

    return mine


def between(nearest: float, farthest: float) -> Miner:
    """Negatives neither among the nearest nor among the farthest of a row, a ring around the query.

    The nearest may be positives in truth, the farthest teach nothing. Source: Wu et al. 2021, "Conditional Negative
    Sampling for Contrastive Learning of Visual Representations".

    Args:
        nearest: Which share of a row's negatives is too near; rounded down to a number of them.
        farthest: Which share is too far.

    Raises:
        InputError: for shares that leave nothing.

    Examples:
        >>> block = Block(torch.tensor([[0.5, 0.9, 0.1]]), (torch.zeros(1, 3), torch.ones(1, 3)))
        >>> between(0.4, 0.4)(block).negative
        tensor([[1., 0., 0.]])
    """
    if nearest < 0 or farthest < 0 or nearest + farthest >= 1:
        raise InputError(f"shares of {nearest} and {farthest}", fix="give shares of 0 or more that leave something")

    def mine(block: Block) -> Block:
        n = block.negative > 0
        order = torch.where(n, block.scores.detach(), -math.inf).argsort(1, descending=True)
        rank = order.argsort(1)
        number = n.sum(1, keepdim=True)
        return weighted(
            block, negative=(rank >= (nearest * number).floor()) & (rank < number - (farthest * number).floor())
        )

    return mine


def by_distance(dimension: int, *, nearest: float = 0.5, farthest: float = 1.4) -> Miner:
    """Negatives weighted so that every distance counts alike, as on a sphere of random points it does not.

    On the unit sphere of `d` dimensions the density of a distance `D` is `q(D) ~ D^(d-2) (1 - D^2 / 4)^((d-3)/2)`; the
    weights are `1 / q`, the largest of a row 1. They are the expectation of drawing negatives with that probability.
    Scores must be negative distances of unit vectors. Source: Wu et al. 2017, "Sampling Matters in Deep Embedding
    Learning", section 4.1.

    Args:
        dimension: `d`, 3 or more.
        nearest: Smaller distances count as this one, which bounds the weights.
        farthest: Negatives at this distance or beyond are left out.

    Examples:
        >>> weights = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])
        >>> block = Block(torch.tensor([[0.0, -1.0, -1.2]]), weights)
        >>> by_distance(16)(block).negative
        tensor([[0.0000, 1.0000, 0.2184]])
    """

    def mine(block: Block) -> Block:
        distance = (-block.scores.detach()).clamp_min(nearest)
        inside = (1 - distance.square() / 4).clamp_min(torch.finfo(distance.dtype).tiny)
        log_weight = (2 - dimension) * distance.log() - (dimension - 3) / 2 * inside.log()
        keep = (block.negative > 0) & (distance < farthest)
        top = _furthest(log_weight, keep, high=True)
        return weighted(block, negative=torch.where(keep, (log_weight - top).exp(), 0.0))

    return mine


def softmax_weighted(sharpness: float = 1.0) -> Miner:
    """Negatives weighted by a softmax of their own scores, which sums to 1 over the row.

    Source: Sun et al. 2019, "RotatE" (self-adversarial negative sampling).

    Args:
        sharpness: Multiplies the scores within the softmax; 0 weighs all alike.

    Examples:
        >>> block = Block(torch.tensor([[9.0, 1.0, 1.0]]), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])))
        >>> softmax_weighted()(block).negative
        tensor([[0.0000, 0.5000, 0.5000]])
    """

    def mine(block: Block) -> Block:
        scores, n = block.scores.detach(), block.negative > 0
        masked = torch.where(n, sharpness * scores, torch.finfo(scores.dtype).min / 4)
        return weighted(block, negative=torch.softmax(masked, 1))

    return mine


def self_adversarial(margin: float = 9.0, sharpness: float = 1.0, *, geometry: Geometry | None = None) -> Mined:
    """Negatives count the more the higher they score, `-(log sigmoid(m + s_p) + sum_j w_j log sigmoid(-s_j - m)) / 2`.

    `w = softmax(a s)` over a row's negatives, without gradient. Scores are negative distances, so the margin `m` is the
    distance at which a pair is as much a yes as a no. Source: Sun et al. 2019, "RotatE", equations 5 and 6; halved as
    in the authors' code.

    Args:
        margin: In units of the distance; 0 for a dot product.
        sharpness: `a`; 0: all negatives alike (the paper's equation 4).
        geometry: Manhattan distance by default.

    Examples:
        >>> q, k = torch.zeros(1, 1), torch.tensor([[[1.0], [1.0], [9.0]]])
        >>> from counterpoint.points import Points
        >>> owned = Points(k, positive=torch.tensor([[1.0, 0.0, 0.0]]))
        >>> loss = self_adversarial(1.0)(q, owned=owned)  # the far negative has hardly any weight
        >>> round(loss.item(), 3)  # log(2), twice, halved
        0.693
    """
    pairs = Pairs(-margin, -margin, shape=F.softplus, geometry=geometry or Lp(1))
    return Mined(pairs, softmax_weighted(sharpness))


def below_the_guide(margin: float = 0.0, *, relative: bool = False) -> Miner:
    """Negatives that the guide finds no closer than the row's positive; others are probably positives.

    A negative stays if its guide score is at most `t_p - margin`, or with `relative` at most `t_p - margin |t_p|`,
    `t_p` the lowest guide score among the row's positives. Source: Solatorio 2024, "GISTEmbed", section 3.

    Args:
        margin: 0 or more.
        relative: Whether it is a share of the positive's score.

    Examples:
        >>> guide = torch.tensor([[0.5, 0.9, 0.1]])
        >>> block = Block(torch.zeros(1, 3), (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 1.0]])), guide)
        >>> below_the_guide()(block).negative
        tensor([[0., 0., 1.]])
    """

    def mine(block: Block) -> Block:
        if block.guide is None:
            raise InputError("there is no guide to filter by", fix="pass guide=Guide(queries, keys)")
        guide = block.guide.detach()
        positive = _furthest(guide, block.positive > 0, high=False)
        return weighted(block, negative=guide <= positive - margin * (positive.abs() if relative else 1.0))

    return mine
