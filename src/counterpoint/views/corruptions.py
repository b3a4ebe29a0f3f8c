"""What makes a picture worse, as test sets of corruptions have it."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.views.images import View


def low_contrast(factor: float) -> View:
    """Pictures with less of it, about their mean.

    Examples:
        >>> import torch
        >>> low_contrast(0.5)(torch.tensor([[[[0.0, 1.0]]]]))
        tensor([[[[0.2500, 0.7500]]]])
    """

    def view(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        mean = pixels.mean((1, 2, 3), keepdim=True)
        return mean + factor * (pixels - mean)

    return view


def pixelated(factor: float) -> View:
    """Pictures with so much of their resolution.

    Examples:
        >>> import torch
        >>> pixelated(0.5)(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])).unique().tolist()
        [0.5]
    """

    def view(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        side = max(1, round(factor * pixels.shape[-1]))
        return F.interpolate(F.interpolate(pixels, (side, side), mode="area"), pixels.shape[-2:])

    return view
