"""Heads that bound their vectors: to the sphere, to what is not negative."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Unit(nn.Module):
    """Vectors of length one, for what mixes them or compares them by their inner product.

    Examples:
        >>> import torch
        >>> Unit()(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """`z / |z|`."""
        return F.normalize(z, dim=1)


class NonNegative(nn.Module):
    """`max(z, 0)`: each dimension is either off or on, so that features become sparse and mean something.

    With `smooth` the value is the same and the gradient is GELU's, which does not die where z is below 0. Source: Wang
    et al. 2024, "Non-negative Contrastive Learning", eq. 4, and section 4.1 (the reparameterised ReLU).

    Args:
        smooth: GELU's gradient.

    Examples:
        >>> import torch
        >>> NonNegative()(torch.tensor([[-1.0, 2.0]]))
        tensor([[0., 2.]])
    """

    def __init__(self, *, smooth: bool = False) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The positive part."""
        value = F.relu(z)
        if not self.smooth:
            return value
        through = F.gelu(z)
        return through + (value - through).detach()
