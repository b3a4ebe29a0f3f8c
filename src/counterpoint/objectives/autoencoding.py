"""Losses of auto-encoders: of a probabilistic one, and of a sparse one."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Normal

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points


class AutoEncoding(PointObjective):
    """`-log p(x|z) - (log q(z|x) + log p(z)) / 2`, the mean over queries: codes that say much and lie together.

    A query is `(3, d)`: `z`, a sample of the Gaussian `q(z|x)`, its mean and its log-variance
    (`counterpoint.heads.Gaussian`). `p(x|z)` is Bernoulli for each value of `x`, and `p(z)` the standard normal. Keys
    are not looked at. Source: Livne et al. 2019, "MIM: Mutual Information Machine", the asymmetric loss with the
    decoder's marginal for `q(x)`.

    Args:
        decoder: From codes `(n, d)` to logits of the values.
        column: What is to be decoded, `(n, values)`, each from 0 to 1.

    Raises:
        InputError: in a call, for other points, or without the column.

    Examples:
        >>> import torch
        >>> codes = Points(torch.zeros(1, 3, 2), target=torch.ones(1, 1), sample=torch.arange(1))
        >>> decoder = nn.Linear(2, 1, bias=False)  # of a code of 0 it says 1/2
        >>> round(AutoEncoding(decoder)(codes).item(), 4)  # log(2) + 2 log(2 pi) / 2
        2.531
    """

    def __init__(self, decoder: nn.Module, column: str = "target") -> None:
        super().__init__(geometry=Dot())
        self.decoder, self.column = decoder, column

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the queries."""
        del keys, i, j
        if queries.z.ndim != 3 or queries.z.shape[1] != 3:
            raise InputError(
                f"queries of shape {tuple(queries.z.shape)} are no sample, mean and log-variance",
                fix="put the head Gaussian before it",
            )
        if self.column not in queries.columns:
            raise InputError(f"what is decoded is the column {self.column!r}, which is lacking", fix="give it to them")
        sample, mean, log_variance = queries.z.unbind(1)
        target = queries.columns[self.column].to(sample)
        decoded = -F.binary_cross_entropy_with_logits(self.decoder(sample), target, reduction="none")
        inferred = Normal(mean, (log_variance / 2).exp()).log_prob(sample)
        prior = Normal(0.0, 1.0).log_prob(sample)
        loss: Tensor = -(decoded.sum(1) + (inferred.sum(1) + prior.sum(1)) / 2).mean()
        return loss


class SparseReconstruction(PointObjective):
    """`E |e_k|^2 + w E |e_4k|^2 + r E |e_dead|^2 / E |e_k - mean e_k|^2`: what sparse codes leave unsaid.

    Points are those of `counterpoint.procedures.SparseCodes`, `(n, 4, m)`. The last term, which brings dead latents
    back, is the share that they leave of what the code leaves; its denominator has no gradient, and where it is 0 the
    term is 0. The mean over both sides. Source: Wen et al. 2025, "Beyond Matryoshka", the authors' code.

    Args:
        wide: `w`; 1/8 is theirs.
        revive: `r`; 1/32 is theirs.

    Raises:
        InputError: in a call, for other points.

    Examples:
        >>> import torch
        >>> code, e = torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])
        >>> points = Points(torch.stack([code, e, e, e], 1), sample=torch.arange(2))
        >>> SparseReconstruction(wide=0.2, revive=0.1)(points).item()  # 5 + 0.2 * 5 + 0.1 * 5 / 1
        6.5
    """

    def __init__(self, wide: float = 1 / 8, revive: float = 1 / 32) -> None:
        super().__init__(geometry=Dot())
        self.wide, self.revive = wide, revive

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides, each by itself; who matches whom does not matter."""
        del i, j
        return (self._side(queries.z) + self._side(keys.z)) / 2

    def _side(self, z: Float[Tensor, "n 4 m"]) -> Float[Tensor, ""]:
        if z.ndim != 3 or z.shape[1] != 4:
            raise InputError(
                f"points of shape {tuple(z.shape)} are no codes and errors", fix="put the procedure SparseCodes before"
            )
        _, error, wide, dead = z.unbind(1)
        left = error.detach()
        variance = (left - left.mean(0)).square().sum(1).mean()
        revived = dead.square().sum(1).mean()
        share = revived / variance if bool(variance > 0) else revived * 0
        loss: Tensor = error.square().sum(1).mean() + self.wide * wide.square().sum(1).mean() + self.revive * share
        return loss
