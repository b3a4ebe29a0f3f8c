"""An encoder of half a picture: the other half is another view of the same thing."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.invertible import Invertible
from counterpoint.heads import projection


class HalfPicture(PixelEncoder):
    """The upper or the lower half of a picture, brought to one size, through a network that may lose nothing or may.

    Grey pictures have three equal channels, so that its vectors are of one width whatever it is given.

    Args:
        top: The upper half; else the lower.
        side: Width and height that pictures are brought to; even.
        kind: `invertible` (`Invertible`, which starts as the pixels themselves) or `perceptron` (one hidden layer).
        hidden: Width of the perceptron's hidden layer.

    Examples:
        >>> import torch
        >>> HalfPicture(top=False)(torch.zeros(2, 1, 8, 8)).shape, HalfPicture().dim
        (torch.Size([2, 96]), 96)
    """

    def __init__(
        self,
        *,
        top: bool = True,
        side: int = 8,
        kind: Literal["invertible", "perceptron"] = "invertible",
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.top, self.side, self.kind, self.hidden = top, side, kind, hidden
        self.dim = 3 * side * side // 2
        self.network: nn.Module = (
            Invertible(self.dim) if kind == "invertible" else projection(self.dim, hidden=(hidden,))
        )

    def pixels(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """Its half's pixels, side by side."""
        if images.shape[2:] != (self.side, self.side):
            images = F.interpolate(images, (self.side, self.side), mode="area")
        rows = self.side // 2
        part = images[:, :, :rows] if self.top else images[:, :, rows:]
        return part.expand(-1, 3, -1, -1).flatten(1)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        z: Tensor = self.network(self.pixels(images))
        return z
