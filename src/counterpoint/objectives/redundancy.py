"""Objectives on how dimensions vary together: Barlow Twins and functions of covariances and spectra."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective
from counterpoint.objectives._layouts import rows_at
from counterpoint.points import Points


def _two_or_more(objective: PointObjective, *sides: Points) -> None:
    if any(len(side) < 2 for side in sides):
        raise InputError(f"{type(objective).__name__} needs two points a side or more", fix="use a larger batch")


def _off_diagonal_square(matrix: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Sum of the squares off the diagonal."""
    return matrix.square().sum() - matrix.diagonal().square().sum()


class BarlowTwins(PointObjective):
    """The cross-correlation `C` of both sides' dimensions must be the identity.

    `sum_i (1 - C_ii)^2 + w sum_{i != j} C_ij^2`. Each dimension of each side is standardised over all points of the
    side, `C` is averaged over the positive pairs. Source: Zbontar et al. 2021, "Barlow Twins", eq. 1 and 2.

    Args:
        redundancy: `w`; 0.005 is theirs.
        epsilon: Added to each variance.
        unbiased: Whether variances divide by `n - 1`.
        **options: `geometry` (`Dot` by default: vectors as they are), `relation`, see `PointObjective`.

    Examples:
        >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> round(BarlowTwins()(z, z).item(), 4)  # nothing is correlated
        0.0
    """

    def __init__(
        self, redundancy: float = 0.005, *, epsilon: float = 1e-5, unbiased: bool = False, **options: Any
    ) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)
        self.redundancy, self.epsilon, self.unbiased = redundancy, epsilon, unbiased

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """On and off the diagonal."""
        _two_or_more(self, queries, keys)
        x, y = (self._standardised(side.z)[place] for side, place in ((queries, i), (keys, j)))
        matrix = x.T @ y / max(1, len(i))
        return (1 - matrix.diagonal()).square().sum() + self.redundancy * _off_diagonal_square(matrix)

    def _standardised(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        variance = z.var(0, correction=int(self.unbiased))
        return (z - z.mean(0)) / (variance + self.epsilon).sqrt()


class Decorrelation(PointObjective):
    """Mean squared correlation between different dimensions, `sum_{i != j} R_ij^2 / d^2`, of both sides together.

    Unlike a covariance it is the same for every scale of a dimension and every batch size, and so is its weight.
    VIbCReg is `VICReg(25, 25, 0) + 200 * Decorrelation()`. Source: Lee and Aune 2021, "VIbCReg:
    Variance-Invariance-better-Covariance Regularization for Self-Supervised Learning on Time Series".

    Args:
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> z = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
        >>> round(Decorrelation()(z, z).item(), 4)  # two dimensions, fully correlated, on two sides: 2 * 2 / 4
        1.0
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides, each by itself; who matches whom does not matter."""
        del i, j
        _two_or_more(self, queries, keys)
        value = queries.z.new_zeros(())
        for z in (queries.z, keys.z):
            unit = F.normalize(z - z.mean(0), dim=0)
            value = value + _off_diagonal_square(unit.T @ unit) / z.shape[1] ** 2
        return value


class FrobeniusSpread(PointObjective):
    """How unevenly the spectrum of each side is spread, `2 log(|Z'Z|_F / |Z'Z|_*)`, of both sides together.

    Columns of `Z` are scaled to length one. With the invariance of the scaled columns it is FroSSL. Source: Skean et
    al. 2024, "FroSSL: Frobenius Norm Minimization for Efficient Multiview Self-Supervised Learning".

    Args:
        invariance: Weight of `sum over sides of sum |z - mean of both|^2 / n * sides`, on scaled columns.
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> round(FrobeniusSpread()(torch.eye(2), torch.eye(2)).item(), 4)  # 4 log(sqrt(2) / 2)
        -1.3863
    """

    def __init__(self, invariance: float = 1.0, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)
        self.invariance = invariance

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Spectra and invariance."""
        _two_or_more(self, queries, keys)
        sides = [F.normalize(side.z, dim=0) for side in (queries, keys)]
        value = queries.z.new_zeros(())
        for z in sides:
            # the smaller of both has the same spectrum
            gram = z.T @ z if len(z) > z.shape[1] else z @ z.T
            value = value + 2 * (gram.square().sum().sqrt() / gram.trace()).log()
        if len(i):
            # both lie at half their difference from their mean
            difference = (sides[0][i] - sides[1][j]).square().sum()
            value = value + self.invariance * difference / len(i)
        return value


class CodingRate(PointObjective):
    """Bits to code each side up to an error: the mean over sides of `log det(I + d / (n e) Z'Z) / 2`, to be made large.

    Sources: Yu et al. 2020, "Learning Diverse and Discriminative Representations via the Principle of Maximal Coding
    Rate Reduction"; Tong et al. 2023, "EMP-SSL", which is `-200 * cosine` of the views and
    `-CodingRate(0.2)`.

    Args:
        error: `e`, the squared error, above 0.
        **options: `geometry` (cosine by default), `relation`, see `PointObjective`.

    Raises:
        InputError: for an error that is not above 0.

    Examples:
        >>> round(CodingRate(1.0)(torch.eye(2), torch.eye(2)).item(), 4)  # log(2 * 2) / 2
        0.6931
    """

    def __init__(self, error: float = 0.2, **options: Any) -> None:
        super().__init__(**options)
        if error <= 0:
            raise InputError(f"the error is {error}", fix="give a number above 0")
        self.error = error

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides, each by itself."""
        del i, j
        value = queries.z.new_zeros(())
        for z in (queries.z, keys.z):
            n, d = z.shape
            value = value + torch.logdet(
                torch.eye(d, dtype=z.dtype, device=z.device) + d / (max(1, n) * self.error) * z.T @ z
            )
        return value / 4


class EffectiveRank(PointObjective):
    """Log effective rank, `-sum_k p_k log p_k`, the mean over both sides: how many directions vectors use.

    `p` are the eigenvalues of the mean of `z z'` over unit vectors, which sum to 1: it is their von Neumann entropy, 0
    where all lie on a line and the logarithm of the smaller of `n` and `d` at most. With a weight above 0 the rank
    falls (rank reduction), with one below 0 it rises. Keys that match no query, such as those of a queue, do not count.
    Sources: Jung et al. 2024, "Unveiling Key Aspects of Fine-Tuning in Sentence Embeddings"; Kim et al. 2023, "VNE"
    (eigenvalues of unit vectors, as in the authors' code).

    Args:
        **options: `geometry` (cosine by default), `relation`, see `PointObjective`.

    Examples:
        >>> round(EffectiveRank()(torch.eye(4), torch.eye(4)).exp().item(), 4)
        4.0
    """

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides, each by itself."""
        del i
        value = queries.z.new_zeros(())
        for z in (queries.z, keys.z if keys is queries else keys.z[j.unique()]):
            # the smaller of both has the same spectrum
            gram = (z.T @ z if len(z) > z.shape[1] else z @ z.T) / max(1, len(z))
            p = torch.linalg.eigvalsh(gram)
            # below this it is rounding, whose logarithm has a gradient without an end
            p = p[p > len(gram) * torch.finfo(p.dtype).eps]
            value = value - (p * p.log()).sum() / 2
        return value


class ManifoldCapacity(PointObjective):
    """Maximum manifold capacity: the nuclear norm of the means of the pairs, to be made large: `-|C|_*`.

    `C` has the mean of each positive pair, on the sphere; the norm is large where pairs agree and their means spread
    over all directions. Source: Yerxa et al. 2023, "Learning Efficient Coding of Natural Images with Maximum Manifold
    Capacity Representations".

    Args:
        compression: Weight of the mean nuclear norm of the pairs themselves, `sum |Z_i|_* / n`.
        **options: `geometry` (cosine by default), `relation`, see `PointObjective`.

    Examples:
        >>> round(ManifoldCapacity()(torch.eye(2), torch.eye(2)).item(), 4)  # the means are the two axes
        -2.0
    """

    def __init__(self, compression: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.compression = compression

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Singular values of the means, and of each pair."""
        x, y = rows_at(queries.z, i), rows_at(keys.z, j)
        if not len(x):
            return (queries.z.sum() + keys.z.sum()) * 0
        value: Tensor = -torch.linalg.svdvals((x + y) / 2).sum()
        if self.compression:
            value = value + self.compression * torch.linalg.svdvals(torch.stack([x, y], 1)).sum() / len(x)
        return value


class CovarianceContrast(PointObjective):
    """Queries away from the directions all queries share: `mean_i z_i' C z_i`, `C` a moving average of `E[z z']`.

    The matrix has no gradient and is kept between calls. TiCo is `1 - cosine` of the pairs and 8 of this. Source: Zhu
    et al. 2022, "TiCo: Transformation Invariance and Covariance Contrast for Self-Supervised Visual Representation
    Learning".

    Args:
        momentum: Of the matrix, which starts at 0; from 0 to below 1.
        **options: `geometry` (cosine by default), `relation`, see `PointObjective`.

    Raises:
        InputError: for a momentum out of its range.

    Examples:
        >>> round(CovarianceContrast(0.0)(torch.eye(2), torch.eye(2)).item(), 4)
        0.5
    """

    covariance: Tensor

    def __init__(self, momentum: float = 0.9, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= momentum < 1:
            raise InputError(f"the momentum is {momentum}", fix="give a number from 0 to below 1")
        self.momentum = momentum
        self.register_buffer("covariance", torch.zeros(()))

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """The matrix is updated, then used."""
        del keys, i, j
        z = queries.z
        now = z.detach().T @ z.detach() / max(1, len(z))
        self.covariance = self.momentum * self.covariance.to(z.dtype) + (1 - self.momentum) * now
        return ((z @ self.covariance) * z).sum(1).mean() if len(z) else z.sum() * 0


class KernelAlignment(PointObjective):
    """Both sides must have the same similarities within: `1 - <K, L> / (|K| |L|)`, linear kernels of centred vectors.

    Source: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", section 3 (CKA).

    Args:
        **options: `geometry` (`Dot` by default: vectors as they are), `relation`, see `PointObjective`.

    Examples:
        >>> z = torch.randn(8, 4)
        >>> abs(round(KernelAlignment()(z, 3 * z + 1).item(), 4))
        0.0
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """On the positive pairs, in `O(n d^2)`: `<XX', YY'> = |X'Y|^2`."""
        if len(i) < 2:
            return (queries.z.sum() + keys.z.sum()) * 0
        x, y = rows_at(queries.z, i), rows_at(keys.z, j)
        x, y = _unit_size(x - x.mean(0)), _unit_size(y - y.mean(0))
        square = (x.T @ x).square().sum() * (y.T @ y).square().sum()
        return 1 - (x.T @ y).square().sum() / square.clamp_min(torch.finfo(x.dtype).tiny).sqrt()


def _unit_size(z: Tensor) -> Tensor:
    """So that fourth powers do not overflow in what does not depend on the size."""
    return z / z.detach().abs().max().clamp_min(torch.finfo(z.dtype).tiny)
