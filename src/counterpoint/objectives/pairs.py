"""Losses on the positive and the negative scores of a row: every pair by itself, or each side pooled to one number.

Both speak of *violations*: by how much a positive scores too low, `m - s`, and a negative too high, `s - m`. Margins
are scores, so with a distance, whose score is its negative, a margin of 1 is written -1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, log_weight, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout
from counterpoint.objectives._over import Over, mean_over

Shape: TypeAlias = Callable[[Tensor], Tensor]
"""From violations to losses, one by one: `F.relu`, `F.softplus`, `torch.square`, or a function of your own."""


class Pairs(RowObjective):
    """Every pair by itself: the mean of `shape(m_p - s)` over positives and `shape(s - m_n)` over negatives.

    With `F.relu` it is the contrastive loss (Hadsell et al. 2006, whose parts are squared: `shape=lambda v:
    F.relu(v) ** 2`), with `F.softplus` the logistic loss of every pair (with scaled scores the binomial deviance of Yi
    et al. 2014), with `torch.square` a regression on two targets. A side without a margin is left out: the sum
    of two such objectives averages the positives and the negatives each by themselves.

    A query without positives counts, with its negatives.

    Args:
        positive: `m_p`, the score a positive should have; None: positives are not looked at.
        negative: `m_n`, the score a negative should not have; None: negatives are not looked at.
        shape: From violations to losses.
        over: The mean is over `"rows"` (of each row's mean), over the `"terms"` of all rows, or over the `"active"`
            ones, whose loss is above 0.
        temperature: Scores are divided by it.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: if no side has a margin.

    Examples:
        >>> z = torch.eye(2)
        >>> Pairs(1.0, -0.5)(z, z).item()  # each row: a positive at 1, a negative at 0, which is 0.5 too high
        0.25
    """

    def __init__(
        self,
        positive: float | None = None,
        negative: float | None = None,
        *,
        shape: Shape = F.relu,
        over: Over = "rows",
        temperature: float | Temperature = 1.0,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        if positive is None and negative is None:
            raise InputError("neither positives nor negatives have a margin", fix="give one of them, or both")
        self.positive, self.negative = positive, negative
        self.shape, self.over = shape, over

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Mean over the pairs of the row."""
        terms, weights = [], []
        if self.positive is not None:
            scores, weight = block.positives()
            terms.append(self.shape(self.positive - scores))
            weights.append(weight)
        if self.negative is not None:
            terms.append(self.shape(block.scores - self.negative))
            weights.append(block.negative)
        return mean_over(torch.cat(terms, 1), torch.cat(weights, 1), self.over)


@dataclass(frozen=True)
class Pool:
    """How the violations `v` of one side of a row become one number: `log(sum_j w_j exp(b v_j)) / b`.

    `b` is the sharpness. A large sharpness is near the hardest entry, a very negative one near the easiest. Infinity is
    the hardest itself, minus infinity the easiest, and 0 the mean. As an average it is `sum_j w_j exp(b v_j) v_j /
    sum_j w_j exp(b v_j)` over the violations above 0.

    Args:
        margin: The score a positive should have, or a negative should not have.
        sharpness: `b`.
        floor: Add 1 inside the logarithm, so that the pool is at least 0 and satisfied rows cost little.
        average: See above.
        pace: Each violation is multiplied by `[v + pace]_+`, without gradient: what is far off pulls harder.

    Raises:
        InputError: for a floor with a sharpness that is not above 0 and finite.

    Examples:
        >>> v, w = torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]])
        >>> [round(Pool(sharpness=b)(v, w).item(), 4) for b in (math.inf, 1.0, 0.0, -math.inf)]
        [2.0, 2.3133, 1.5, 1.0]
    """

    margin: float = 0.0
    sharpness: float = 1.0
    floor: bool = False
    average: bool = False
    pace: float | None = None

    def __post_init__(self) -> None:
        if self.floor and not (self.sharpness > 0 and math.isfinite(self.sharpness)):
            raise InputError(f"a floor needs a sharpness above 0, not {self.sharpness}", fix="drop the floor")
        if self.average and (self.floor or not math.isfinite(self.sharpness)):
            raise InputError("an average has a finite sharpness and no floor", fix="drop the one or the other")

    def __call__(self, violation: Float[Tensor, "b m"], weight: Float[Tensor, "b m"]) -> Float[Tensor, " b"]:
        """The pool of each row; 0 where a row has no entry."""
        if self.pace is not None:
            violation = F.relu(violation.detach() + self.pace) * violation
        some, sharpness = (weight > 0).any(1), self.sharpness
        nothing = torch.finfo(violation.dtype).min / 4
        if self.average:
            weight = weight * (violation > 0)
            masked = torch.where(weight > 0, sharpness * violation + log_weight(weight), nothing)
            return weighted_mean(violation, torch.softmax(masked, 1) * (weight > 0))
        if sharpness == 0 or not violation.shape[1]:
            return weighted_mean(violation, weight)
        if math.isinf(sharpness):
            sign = math.copysign(1, sharpness)
            pooled = sign * torch.where(weight > 0, sign * violation, nothing).amax(1)
        else:
            inside = torch.where(weight > 0, sharpness * violation + log_weight(weight), nothing)
            total = torch.logsumexp(inside, 1)
            pooled = (F.softplus(total) if self.floor else total) / sharpness
        return torch.where(some, pooled, 0.0)


def _as_is(value: Tensor) -> Tensor:
    return value


class Pooled(RowObjective):
    """Each side of a row pooled to one number: `outer(pull + push)`.

    `pull` pools the violations of the positives, `push` those of the negatives (`Pool`). Known as:

    | loss | pull | push | outer |
    |---|---|---|---|
    | batch hard triplet | `Pool(sharpness=inf)` | `Pool(sharpness=inf)` | `F.relu(v + margin)`, or `F.softplus` |
    | generalised lifted structure | `Pool(-m_p)` | `Pool(-m_n)` | `F.relu` |
    | multi-similarity | `Pool(0.5, 2, floor=True)` | `Pool(0.5, 50, floor=True)` | none |
    | circle | `Pool(1 - m, g, pace=2 * m)` | `Pool(m, g, pace=2 * m)` | `F.softplus(g * v)` |
    | NCA | `Pool(sharpness=-1)` | `Pool()` | `F.softplus` |
    | ranked list, each side for itself | `Pool(m_p, t, average=True)` | `Pool(m_n, t, average=True)` | none |

    Sources: Hermans et al. 2017 (batch hard, generalised lifted structure); Wang et al. 2019, "Multi-Similarity Loss",
    eq. 15; Sun et al. 2020, "Circle Loss"; Goldberger et al. 2004 (NCA; here the mean of the logarithms); Wang et al.
    2019, "Ranked List Loss".

    A row counts if each side that is asked for has an entry.

    Args:
        pull: None: positives are not looked at.
        push: None: negatives are not looked at.
        outer: Applied to the sum of both; the sum itself by default.
        temperature: Scores are divided by it.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: if there is neither `pull` nor `push`.

    Examples:
        >>> z = torch.eye(2)
        >>> hard = Pooled(Pool(sharpness=math.inf), Pool(sharpness=math.inf), outer=lambda v: F.relu(v + 0.5))
        >>> hard(z, z).item()  # the negative is 1 below the positive, more than 0.5
        0.0
        >>> nca = Pooled(Pool(sharpness=-1), Pool(), outer=F.softplus)
        >>> round(nca(z, z).item(), 4)  # log(1 + exp(0 - 1))
        0.3133
    """

    def __init__(
        self,
        pull: Pool | None = None,
        push: Pool | None = None,
        *,
        outer: Shape = _as_is,
        temperature: float | Temperature = 1.0,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        if pull is None and push is None:
            raise InputError("neither positives nor negatives are pooled", fix="give `pull`, `push`, or both")
        self.pull, self.push, self.outer = pull, push, outer

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Pool, add, shape."""
        value = torch.zeros_like(block.scores[:, 0])
        counts = torch.ones_like(value, dtype=torch.bool)
        if self.pull is not None:
            scores, weight = block.positives()
            value = value + self.pull(self.pull.margin - scores, weight)
            counts = counts & (weight > 0).any(1)
        if self.push is not None:
            value = value + self.push(block.scores - self.push.margin, block.negative)
            counts = counts & block.any_negative
        return self.outer(value), counts
