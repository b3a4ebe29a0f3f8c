"""Objectives on how points are spread: alignment, uniformity, VICReg."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Cosine, Dot, Euclidean, check_temperature
from counterpoint.objectives._base import PointObjective, RowObjective
from counterpoint.objectives._layouts import Guide, take_sides
from counterpoint.points import Points
from counterpoint.relation import same


def _at(z: Float[Tensor, "n d"], places: Int[Tensor, " p"]) -> Float[Tensor, "p d"]:
    """The vectors at these places, without a copy where that is all of them in order."""
    every = len(places) == len(z) and torch.equal(places, torch.arange(len(z), device=z.device))
    return z if every else z[places]


class Alignment(PointObjective):
    """Mean distance of positive pairs on the unit sphere, `E |x - y|^alpha`.

    Source: Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity on
    the Hypersphere", section 4.1.1.

    Args:
        alpha: Power of the distance.
        **options: `geometry`, `relation`, see `PointObjective`.

    Examples:
        >>> Alignment()(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])).item()
        2.0
    """

    def __init__(self, alpha: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = alpha

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Weighted mean over the positive pairs."""
        square = (_at(queries.z, i) - _at(keys.z, j)).square().sum(1)
        value = square if self.alpha == 2 else square.clamp_min(1e-12) ** (self.alpha / 2)
        weight = queries.columns.get("weight", torch.ones_like(queries.z[:, 0]))[i].to(value.dtype)
        return weighted_mean(value[None], weight[None])[0]


class Uniformity(RowObjective):
    """How evenly points cover the unit sphere: `log E exp(-t |x - y|^2)` over pairs of different points.

    Two sides are measured each by itself and averaged. Source: Wang and Isola 2020, section 4.1.2. Duplicates of a
    point are left out, so that they are not pushed apart.

    Args:
        t: 2 is theirs.
        **options: `relation`, and for points that are not on the sphere `geometry=Euclidean(squared=True)`.

    Examples:
        >>> round(Uniformity()(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item(), 4)
        -8.0
    """

    uses = frozenset()

    def __init__(self, t: float = 2.0, **options: Any) -> None:
        check_temperature(1 / t if t else 0.0)
        # |x - y|^2 = 2 - 2 cos on the sphere
        on_sphere = isinstance(options.setdefault("geometry", Cosine()), Cosine)
        super().__init__(1 / (2 * t) if on_sphere else 1 / t, layout="within", **options)
        self._shift = 2 * t if on_sphere else 0.0

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Mean of the Gaussian potential with all other points."""
        seen = ((block.positive + block.negative) > 0).to(block.scores.dtype)
        return weighted_mean((block.scores - self._shift).exp(), seen), seen.any(1)

    def finish(self, mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """The logarithm."""
        return mean.log()


class KoLeo(PointObjective):
    """How near each point's nearest neighbour is on the unit sphere: `-E log(|x - x_near| + 1e-8)`, of least entropy.

    Two sides are measured each by itself and averaged. Which point is nearest has no gradient, the distance has one for
    both. Copies count, as in the code of its users. Sources: Sablayrolles et al. 2019, "Spreading vectors for
    similarity search" (the estimator of Kozachenko and Leonenko); the code of DINOv2 and of MEXMA, which adds 1e-8 to
    each coordinate, too.

    Args:
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> round(KoLeo()(torch.eye(2), torch.eye(2)).item(), 4)  # -log(sqrt(2))
        -0.3466
    """

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """The mean over each side; a side of one point says nothing."""
        del i, j
        sides = [queries] if keys is queries else [queries, keys]
        return torch.stack([_loneliness(side.z) for side in sides]).mean()


def _loneliness(x: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    if len(x) < 2:
        return x.sum() * 0
    near = (x.detach() @ x.detach().T).fill_diagonal_(-torch.inf).argmax(1)
    return -torch.log(F.pairwise_distance(x, x[near], eps=1e-8) + 1e-8).mean()


class DecoupledUniformity(PointObjective):
    """Uniformity of the centroids of each sample's views: alignment comes with it and needs no term of its own.

    `log mean_{i != j} exp(-t |m_i - m_j|^2)`, `m_i` the mean of the normalised views of sample i. Views that disagree
    have a short centroid, and short centroids are near each other. With `prior`, what is known of the samples beside
    their views, centroids are smoothed, `m <- (K + ridge I)^-1 K m`, by the kernel `K_ij = exp(-|a_i - a_j|^2 /
    (2 width^2))` of that column. Source: Dufumier et al. 2023, "Integrating Prior Knowledge in Contrastive Learning
    with Kernel", eq. 3 (the loss), eq. 8 and 9 (the kernel mean embedding).

    Args:
        t: 2 is theirs.
        prior: A column of numbers, `(n,)` or `(n, a)`: attributes, or the vectors of another model.
        width: Of the kernel.
        ridge: Above 0.
        **options: `relation`, see `PointObjective`.

    Raises:
        InputError: in a call, if the column is lacking.

    Examples:
        >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        >>> DecoupledUniformity()(x, x).item()  # centroids at a distance of 2
        -8.0
    """

    def __init__(
        self, t: float = 2.0, *, prior: str | None = None, width: float = 1.0, ridge: float = 0.1, **options: Any
    ) -> None:
        super().__init__(**options)
        for value in (t, width, ridge):
            check_temperature(value)
        self.t, self.prior, self.width, self.ridge = t, prior, width, ridge

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Uniformity of the centroids, in blocks; the pairs are in the samples already."""
        del i, j
        rule = self.relation.positive
        assert isinstance(rule, same)
        every = queries if keys is queries else Points.cat([queries, keys])
        ids, place = torch.unique(every.columns[rule.column], return_inverse=True)
        number = torch.bincount(place, minlength=len(ids)).to(every.z)[:, None]
        centroid = every.z.new_zeros(len(ids), every.z.shape[1]).index_add(0, place, every.z) / number
        known = ids >= 0
        if self.prior is not None:
            if self.prior not in every.columns:
                raise InputError(
                    f"the prior is the column {self.prior!r}, which is lacking", fix="give it to both sides"
                )
            about = every.columns[self.prior].to(every.z)
            about = about[:, None] if about.ndim == 1 else about.flatten(1)
            about = about.new_zeros(len(ids), about.shape[1]).index_add(0, place, about) / number
            centroid, about, known = centroid[known], about[known], known[known]
            gram = torch.exp(-torch.cdist(about, about).square() / (2 * self.width**2))
            centroid = torch.linalg.solve(gram + self.ridge * torch.eye(len(gram)).to(gram), gram @ centroid)
        sides = take_sides(Points(centroid[known]), None, None, Guide(), None)
        return Uniformity(self.t, geometry=Euclidean(squared=True)).loss(sides, None, None, "mean")


class VICReg(PointObjective):
    """Variance, invariance, covariance: no negatives at all.

    `lambda * mean |z - z'|^2 / d + mu * [v(Z) + v(Z')] + nu * [c(Z) + c(Z')]` with `v = mean_j max(0, gamma -
    sqrt(var_j + eps))` and `c = sum_{i != j} C_ij^2 / d`, `C` the covariance with `n - 1`. Source: Bardes et al.
    2022, eq. 1 to 6 and algorithm 1. Eq. 5 sums the invariance over dimensions while algorithm 1, to which the
    coefficients 25, 25, 1 belong, averages it, and so does this; the authors' code also halves `v`.

    Args:
        invariance: `lambda`.
        variance: `mu`.
        covariance: `nu`.
        gamma: Wanted standard deviation.
        epsilon: Keeps the root's gradient finite.
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> z = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]])
        >>> VICReg()(z, z).item()  # no variance lacks, nothing is correlated
        0.0
    """

    def __init__(
        self,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        *,
        gamma: float = 1.0,
        epsilon: float = 1e-4,
        **options: Any,
    ) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)
        self.weights = (invariance, variance, covariance)
        self.gamma, self.epsilon = gamma, epsilon

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """The three terms."""
        if len(queries) < 2 or len(keys) < 2:
            raise InputError("VICReg needs two points a side or more", fix="use a larger batch")
        invariance, variance, covariance = self.weights
        value = invariance * (_at(queries.z, i) - _at(keys.z, j)).square().mean() if len(i) else 0.0
        for z in (queries.z, keys.z):
            centred = z - z.mean(0)
            deviation = (centred.square().sum(0) / (len(z) - 1) + self.epsilon).sqrt()
            value = value + variance * F.relu(self.gamma - deviation).mean()
            matrix = centred.T @ centred / (len(z) - 1)
            off = matrix.square().sum() - matrix.diagonal().square().sum()
            value = value + covariance * off / z.shape[1]
        return torch.as_tensor(value)
