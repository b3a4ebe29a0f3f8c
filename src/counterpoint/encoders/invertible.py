"""An invertible encoder: whatever it learns, it loses nothing of its input."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError


class Invertible(nn.Module):
    """Affine coupling layers: half of the dimensions are scaled and shifted by functions of the other half.

    `y_a = x_a`, `y_b = x_b exp(s(x_a)) + t(x_a)`; the halves change places from layer to layer, and a hyperbolic
    tangent holds `s` within (-1, 1). The start is the identity. Source: Dinh et al. 2017, "Density Estimation using
    Real NVP", eq. 4 and 5, and eq. 8 for the inverse.

    Args:
        width: Of the vectors, 2 or more.
        hidden: Width of each layer's network.
        layers: How many.

    Raises:
        InputError: for a width below 2.

    Examples:
        >>> encoder = Invertible(6)
        >>> x = torch.randn(3, 6)
        >>> bool((encoder(x) == x).all())  # the start
        True
    """

    def __init__(self, width: int, *, hidden: int = 64, layers: int = 8) -> None:
        super().__init__()
        if width < 2:
            raise InputError(f"a vector of width {width} has no two halves", fix="use a width of 2 or more")
        first = torch.arange(width) < width // 2
        self.register_buffer("masks", torch.stack([first if i % 2 == 0 else ~first for i in range(layers)]).float())
        self.masks: Tensor
        self.networks = nn.ModuleList(_network(width, hidden) for _ in range(layers))

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """One layer after another."""
        for mask, network in zip(self.masks, self.networks, strict=True):
            scale, shift = self._functions(x, mask, network)
            x = x * scale.exp() + shift
        return x

    def inverse(self, y: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """What `forward` made `y` of."""
        for mask, network in reversed(list(zip(self.masks, self.networks, strict=True))):
            scale, shift = self._functions(y, mask, network)
            y = (y - shift) * (-scale).exp()
        return y

    @staticmethod
    def _functions(x: Tensor, mask: Tensor, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Log-scale and shift, of the dimensions in the mask, for those outside."""
        scale, shift = network(x * mask).chunk(2, -1)
        return torch.tanh(scale) * (1 - mask), shift * (1 - mask)


def _network(width: int, hidden: int) -> nn.Sequential:
    last = nn.Linear(hidden, 2 * width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), last)
