"""A head that learns nothing: it only weighs the dimensions unequally."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError


class Reweight(nn.Module):
    """Dimension i of the representation is scaled by `kappa^-i`, i from 0.

    What a projection head is found to do to features, done by hand: the loss sees later dimensions less, so the
    representation before the head is free to hold more in them. Source: Xue et al. 2024, "Investigating the Benefits of
    Projection Head for Representation Learning", the fixed reweighting head.

    Args:
        width: Of the representation.
        kappa: 1 or more; 1 is no head. The last dimension counts `kappa^(width - 1)` times less than the first.

    Raises:
        InputError: for a kappa below 1.

    Examples:
        >>> Reweight(3, kappa=2.0)(torch.ones(1, 3))
        tensor([[1.0000, 0.5000, 0.2500]])
    """

    def __init__(self, width: int, *, kappa: float) -> None:
        super().__init__()
        if not kappa >= 1:
            raise InputError(f"kappa is {kappa}", fix="give 1 or more: weights fall from dimension to dimension")
        self.register_buffer("weights", float(kappa) ** -torch.arange(width, dtype=torch.float32))
        self.weights: Tensor

    def forward(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Every dimension times its weight."""
        return h * self.weights
