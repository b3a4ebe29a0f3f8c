"""Noise among the keys: negatives that no text or picture has made."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, unknown
from counterpoint.procedures._base import Call, Procedure, numbered


class NoiseNegatives(Procedure):
    """Random vectors are further negatives of every query, moved to where queries are too close together (DCLR).

    They begin as `N(0, deviation^2)` and are moved `steps` times uphill, `n_j <- n_j + rate g_j / |g_j|`, `g_j` the
    gradient by `n_j` of the mean over queries of `-log(exp(cos(q, k) / t) / sum_j exp(cos(q, n_j) / t))`, `k` the
    query's positive, on which it does not depend. Nothing of noise has a gradient in training.

    Source: Zhou et al. 2022, "Debiased Contrastive Learning of Unsupervised Sentence Representations", section 4.1;
    numbers, and noise for the whole batch, as the authors' code has them.

    Args:
        share: How many, for each query of the batch; above 0.
        steps: 0: they stay where they are.
        rate: How far a step goes, above 0.
        temperature: `t`, above 0.
        deviation: Of each number at first, above 0.

    Raises:
        InputError: for numbers out of their range.

    Examples:
        >>> batch = {"queries": torch.eye(4), "keys": torch.eye(4)}
        >>> (call,) = NoiseNegatives(0.5)([batch], lambda model: {})
        >>> call["keys"].columns["sample"].tolist()
        [0, 1, 2, 3, -1, -1]
    """

    def __init__(
        self,
        share: float = 1.0,
        *,
        steps: int = 4,
        rate: float = 1e-3,
        temperature: float = 0.05,
        deviation: float = 1.0,
    ) -> None:
        super().__init__()
        if min(share, rate, temperature, deviation) <= 0 or steps < 0:
            raise InputError(
                f"{share} noise vectors a query, of deviation {deviation}, {steps} steps of {rate} at temperature "
                f"{temperature}",
                fix="give numbers above 0; steps may be 0",
            )
        self.share, self.steps, self.rate = share, steps, rate
        self.temperature, self.deviation = temperature, deviation

    def change(self, call: Call) -> Call:
        """The call with noise among its keys."""
        queries, keys = numbered(call)
        drawn = self.deviation * torch.randn(max(1, round(self.share * len(queries))), keys.z.shape[1])
        noise = self.moved(drawn.to(keys.z), queries.z.detach())
        return {**call, "queries": queries, "keys": Points.cat([keys, unknown(noise, keys)])}

    def moved(self, noise_md: Float[Tensor, "m d"], z_nd: Float[Tensor, "n d"]) -> Float[Tensor, "m d"]:
        """Noise after its steps uphill, by queries without gradient."""
        unit_nd = F.normalize(z_nd, dim=1)
        for _ in range(self.steps):
            noise_md = noise_md.detach().requires_grad_()
            with torch.enable_grad():
                scores_nm = unit_nd @ F.normalize(noise_md, dim=1).T / self.temperature
                (slope_md,) = torch.autograd.grad(torch.logsumexp(scores_nm, 1).mean(), noise_md)
            noise_md = noise_md + self.rate * F.normalize(slope_md, dim=1)
        return noise_md.detach()
