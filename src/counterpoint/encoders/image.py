"""Networks for small images, each image a vector of its own: a residual network, a vision transformer, a perceptron."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders.features import Kind
from counterpoint.encoders.inputs import take
from counterpoint.encoders.saving import Saved
from counterpoint.errors import InputError
from counterpoint.heads import projection


class PixelEncoder(Saved):
    """What the networks for images have in common.

    Attributes:
        dim: Of the vectors.
        shape: Channels, height and width of the images that it was trained on, which new pictures are brought to; None:
            not known. Saved with the model.
    """

    modality = "image"
    kept = ("shape",)
    dim: int
    shape: tuple[int, int, int] | None = None

    def inputs(self, items: Items, kind: Kind = None) -> Shaped[Tensor, "n c h w"]:
        """The pixels."""
        del kind
        return items.tensor

    def encode(
        self, images: Shaped[Tensor, "n c h w"], *, kind: Kind = None, batch: int = 512
    ) -> Float[np.ndarray, "n d"]:
        """One float32 vector an image, without gradient; of floating point from 0 to 1, or uint8."""
        del kind
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        with torch.inference_mode():
            rows = torch.arange(len(images)).split(batch)
            parts = [self(take(images, part).to(device)).float().cpu().numpy() for part in rows]  # type: ignore[union-attr]
        self.train(was_training)
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """`encode` of items."""
        return self.encode(self.inputs(items, kind))


class ImageEncoder(PixelEncoder):
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
        self.channels, self.widths, self.groups = channels, widths, groups
        self.dim = widths[-1]
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        pairs = zip((widths[0], *widths), widths, strict=False)
        self.blocks = nn.Sequential(*(_Block(a, b, groups, 1 if i == 0 else 2) for i, (a, b) in enumerate(pairs)))
        self.norm = nn.GroupNorm(groups, self.dim)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        x: Tensor = F.relu(self.norm(self.blocks(self.stem(images))))
        return x.mean((2, 3))


class VisionTransformer(PixelEncoder):
    """A vision transformer (Dosovitskiy et al. 2021, equations 1 to 4): patches are tokens, blocks normalise first.

    As it stands it has the size of DeiT's "tiny" (Touvron et al. 2021). It has no dropout, so that cached and
    distributed training are exact.

    Args:
        channels: Of the images.
        size: Width and height of the images it is for. For others the table of places is resized (bicubic), as for the
            small crops of DINO (Caron et al. 2021).
        patch: Width and height of a patch; must divide those of the images.
        width: Dimension of tokens and vectors; a multiple of `heads`.
        depth: Blocks.
        heads: Of attention.
        pooling: What the vector is: the "class" token's, or the "mean" over patches, which then have no class token.

    Raises:
        InputError: Numbers that do not divide each other, or images that are not whole patches.

    Examples:
        >>> encoder = VisionTransformer(1, size=8, patch=2, width=32, depth=2, heads=2)
        >>> encoder(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 32])
        >>> round(sum(p.numel() for p in VisionTransformer(size=224, patch=16).parameters()) / 1e6, 1)
        5.5
    """

    def __init__(
        self,
        channels: int = 3,
        *,
        size: int = 24,
        patch: int = 4,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        pooling: Literal["class", "mean"] = "class",
    ) -> None:
        if size % patch or width % heads:
            raise InputError(
                f"patches of {patch} in images of {size}, or {heads} heads in {width} dimensions, do not fit",
                fix="give numbers that divide these",
            )
        super().__init__()
        self.channels, self.size, self.patch, self.width = channels, size, patch, width
        self.depth, self.heads, self.pooling = depth, heads, pooling
        self.dim = width
        self.patches = nn.Conv2d(channels, width, patch, patch)
        # of the size of the patches' own vectors: the customary 0.02 drowns in them, and a linear probe of an untrained
        # network tells digits apart at 76% instead of 93%
        self.places = nn.Parameter(torch.randn(1, width, size // patch, size // patch) * 0.2)
        self.start = nn.Parameter(torch.randn(1, 1, width) * 0.02) if pooling == "class" else None
        # nn.TransformerEncoder would copy one block, and all would start as the same
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        patch = self.patches.kernel_size[0]
        if images.shape[2] % patch or images.shape[3] % patch:
            raise InputError(f"images of {tuple(images.shape[2:])} are not whole patches of {patch}", fix="resize them")
        x = self.patches(images)
        places: Tensor = self.places
        if x.shape[2:] != places.shape[2:]:
            places = F.interpolate(places, x.shape[2:], mode="bicubic", align_corners=False)
        tokens = (x + places).flatten(2).transpose(1, 2)
        if self.start is not None:
            # its place is part of it: a sum of two parameters is one
            tokens = torch.cat([self.start.expand(len(tokens), -1, -1), tokens], 1)
        tokens = self.norm(self.blocks(tokens))
        out: Tensor = tokens[:, 0] if self.start is not None else tokens.mean(1)
        return out


class Perceptron(PixelEncoder):
    """A multilayer perceptron on an image's pixels side by side, ReLU after every layer: for images of a few pixels.

    Args:
        pixels: Channels times height times width of the images.
        hidden: Width of each hidden layer.
        dim: Of the vectors.

    Examples:
        >>> Perceptron(64, hidden=(128,), dim=16)(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 16])
    """

    def __init__(self, pixels: int, *, hidden: tuple[int, ...] = (256,), dim: int = 64) -> None:
        super().__init__()
        self.pixels, self.hidden, self.dim = pixels, hidden, dim
        self.layers = projection(pixels, hidden=hidden, out=dim, last=nn.ReLU)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        z: Tensor = self.layers(images.flatten(1))
        return z


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
