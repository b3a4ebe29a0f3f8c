"""Several encoders of images as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders.image import PixelEncoder
from counterpoint.errors import InputError


class Joined(PixelEncoder):
    """The vectors of several encoders side by side, `(z_1, ..., z_k)`.

    Args:
        encoders: One or more, of the same images.

    Raises:
        InputError: for no encoder.

    Examples:
        >>> from counterpoint.encoders.image import Perceptron
        >>> Joined([Perceptron(64, dim=8), Perceptron(64, dim=16)])(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 24])
    """

    def __init__(self, encoders: Sequence[PixelEncoder]) -> None:
        super().__init__()
        if not encoders:
            raise InputError("no encoders to join", fix="give one or more")
        self.dim = sum(encoder.dim for encoder in encoders)
        self.encoders = nn.ModuleList(encoders)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        return torch.cat([encoder(images) for encoder in self.encoders], 1)
