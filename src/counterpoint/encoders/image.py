"""A small residual network for small images."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ImageEncoder(nn.Module):
    """A residual network (He et al. 2016) in miniature: a 3 x 3 stem, then one block a stage, averaged over places.

    Each stage after the first halves the image. GroupNorm stands where ResNets have BatchNorm: an image's vector then
    does not depend on what else is in its batch, so cached and distributed training are exact.

    Args:
        channels: Of the images.
        widths: Channels of each stage; the last is the dimension of the vectors.
        groups: Of GroupNorm; must divide every width.

    Examples:
        >>> encoder = ImageEncoder(widths=(8, 16))
        >>> encoder(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 16])
    """

    def __init__(self, channels: int = 1, *, widths: tuple[int, ...] = (32, 64, 128), groups: int = 8) -> None:
        super().__init__()
        self.dim = widths[-1]
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        pairs = zip((widths[0], *widths), widths, strict=False)
        self.blocks = nn.Sequential(*(_Block(a, b, groups, 1 if i == 0 else 2) for i, (a, b) in enumerate(pairs)))
        self.norm = nn.GroupNorm(groups, self.dim)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        x: Tensor = F.relu(self.norm(self.blocks(self.stem(images))))
        return x.mean((2, 3))

    def encode(self, images: Float[Tensor, "n c h w"], *, batch: int = 512) -> Float[np.ndarray, "n d"]:
        """One float32 vector an image, without gradient."""
        was_training = self.training
        self.eval()
        with torch.inference_mode():
            parts = [self(part).float().cpu().numpy() for part in images.split(batch)]
        self.train(was_training)
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)


class _Block(nn.Module):
    """`x + conv(relu(norm(conv(relu(norm(x))))))`, the input strided and widened where the shape changes."""

    def __init__(self, width: int, out: int, groups: int, stride: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(groups, width), nn.GroupNorm(groups, out)])
        self.convs = nn.ModuleList(
            [nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.Conv2d(out, out, 3, 1, 1, bias=False)]
        )
        same = width == out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(width, out, 1, stride, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(F.relu(norm(y)))
        out: Tensor = self.shortcut(x) + y
        return out
