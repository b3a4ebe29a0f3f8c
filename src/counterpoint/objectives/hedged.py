"""Uncertain embeddings: points that are normal distributions, and how likely two of them match."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, check_temperature
from counterpoint.objectives._base import PointObjective, RowObjective
from counterpoint.objectives._layouts import Layout
from counterpoint.points import Points


class HedgedMatch(nn.Module):
    """A geometry of normal distributions: the logarithm of the probability that two of them match.

    A point is `(mean, log variance)`, each of half the dimension. `p = 1/K^2 sum_k sum_l sigmoid(b - a |x_k - y_l|)`
    over `K` draws of each (reparameterised, so that gradients reach mean and variance); `a > 0` and `b` are learned.
    Draws are made once a point and call, by torch's global random state. The temperature plays no part. Source: Oh et
    al. 2019, "Modeling Uncertainty with Hedged Instance Embedding", eq. 3 and 4.

    Args:
        samples: `K`; 0: points are no distributions but themselves, each its only draw.
        scale: Where `a` begins.
        bias: Where `b` begins.

    Raises:
        InputError: for numbers out of their range; in a call, for points of odd dimension.

    Examples:
        >>> sure = torch.tensor([[0.0, -50.0], [2.0, -50.0]])  # on a line, with no variance
        >>> geometry = HedgedMatch(2, scale=1.0, bias=0.0)
        >>> z = geometry.prepare(sure)
        >>> geometry.shared(z, z, 1.0).exp()[0, 1].item()  # sigmoid(-2)
        0.1192...
    """

    translation_invariant = True  # the means; variances are compared with nothing

    def __init__(self, samples: int = 8, *, scale: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        if samples < 0:
            raise InputError(f"{samples} draws of each point", fix="use 8")
        check_temperature(scale)
        self.samples = samples
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def prepare(self, z: Float[Tensor, "n d2"]) -> Float[Tensor, "n kd"]:
        """Draws of each point, side by side."""
        if not self.samples:
            return z
        if z.shape[-1] % 2:
            raise InputError(
                f"points of dimension {z.shape[-1]} are no mean and variance", fix="give an even dimension"
            )
        mean, log_variance = z.chunk(2, -1)
        noise = torch.randn(*z.shape[:-1], self.samples, mean.shape[-1]).to(z)
        drawn = mean.unsqueeze(-2) + (log_variance / 2).exp().unsqueeze(-2) * noise
        return drawn.flatten(-2)

    def shared(self, q: Float[Tensor, "n kd"], k: Float[Tensor, "m kd"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """`log p` of every query with every key."""
        del scale
        n, m, draws = len(q), len(k), max(1, self.samples)
        x, y = (v.view(len(v) * draws, -1) for v in (q, k))
        distance = _distance(x, y).view(n, draws, m, draws)
        return self._log_match(distance, (1, 3))

    def owned(
        self, q: Float[Tensor, "n kd"], k: Float[Tensor, "n s kd"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """`log p` of every query with its own keys."""
        del scale
        x, y = (v.view(*v.shape[:-1], max(1, self.samples), -1) for v in (q[:, None], k))
        distance = (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1).clamp_min(1e-12).sqrt()
        return self._log_match(distance, (2, 3))

    def _log_match(self, distance: Tensor, over: tuple[int, int]) -> Tensor:
        logits = self.bias.to(distance) - self.log_scale.exp().to(distance) * distance
        return torch.logsumexp(F.logsigmoid(logits), over) - 2 * math.log(max(1, self.samples))


def _distance(x: Tensor, y: Tensor) -> Tensor:
    square = x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T
    return square.clamp_min(1e-12).sqrt()


class SoftContrastive(RowObjective):
    """Each pair matches or does not: `-log p` for positives and `-log(1 - p)` for negatives, each by their mean.

    Scores are `log p`, at most 0, such as those of `HedgedMatch`. Source: Oh et al. 2019, eq. 2, over balanced pairs.

    Args:
        layout: `views`: queries and keys together.
        **options: `geometry`, `relation`, see `RowObjective`.

    Examples:
        >>> sure = torch.tensor([[0.0, -50.0], [9.0, -50.0]])
        >>> loss = SoftContrastive(geometry=HedgedMatch(1), layout="one-way")
        >>> round(loss(sure, sure).item(), 3)  # -log(1/2) for the match, next to nothing for the other
        0.693
    """

    def __init__(self, *, layout: Layout = "views", **options: Any) -> None:
        options.setdefault("geometry", HedgedMatch())
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Mean over the positives plus mean over the negatives."""
        positive, negative = block.positive, block.negative
        log_p = block.scores.clamp_max(-1e-6)
        counts = (positive > 0).any(1) & (negative > 0).any(1)
        match = -(log_p * positive).sum(1) / positive.sum(1).clamp_min(torch.finfo(log_p.dtype).tiny)
        other = -torch.log(-torch.expm1(log_p))
        return match + (other * negative).sum(1) / negative.sum(1).clamp_min(torch.finfo(log_p.dtype).tiny), counts


class StandardNormal(PointObjective):
    """`KL(N(mean, variance) || N(0, I))` of points `(mean, log variance)`, the mean over all points of both sides.

    The bottleneck of HIB's variational loss. Source: Oh et al. 2019, eq. 7.

    Args:
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> z = torch.tensor([[1.0, 0.0]])  # mean 1, variance 1
        >>> StandardNormal()(z, z).item()
        0.5
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the points."""
        del i, j
        z = queries.z if keys is queries else torch.cat([queries.z, keys.z])
        mean, log_variance = z.chunk(2, 1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return divergence.mean()
