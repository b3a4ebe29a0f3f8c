"""A head that says where a vector may be: the encoder of a probabilistic auto-encoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Gaussian(nn.Module):
    """`q(z|x)`, a Gaussian of independent dimensions, as three vectors: a sample, the mean, the log-variance.

    The sample is `mean + exp(log_variance / 2) noise`, with gradient (Kingma and Welling 2014, "Auto-Encoding
    Variational Bayes", section 2.4). `Parts` compares points by one of the three.

    Args:
        width: Of the representation.
        dim: Of `z`.
        least: The log-variance is not below it.
        norm: Of the mean and the log-variance, from both their dimensions, such as `nn.BatchNorm1d`; None: nothing.

    Examples:
        >>> Gaussian(8, 2)(torch.zeros(5, 8)).shape
        torch.Size([5, 3, 2])
    """

    def __init__(
        self, width: int, dim: int, *, least: float = -6.0, norm: Callable[[int], nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.layer, self.least = nn.Linear(width, 2 * dim), least
        self.norm = nn.Identity() if norm is None else norm(2 * dim)

    def forward(self, h: Float[Tensor, "n w"]) -> Float[Tensor, "n 3 d"]:
        """Sample, mean and log-variance, in this order."""
        mean, log_variance = self.norm(self.layer(h)).chunk(2, 1)
        log_variance = log_variance.clamp_min(self.least)
        # drawn on the processor, as all that training draws: the same on any device
        noise = torch.randn(mean.shape, dtype=mean.dtype).to(mean.device)
        sample = mean + (log_variance / 2).exp() * noise
        return torch.stack([sample, mean, log_variance], 1)
