"""Networks for small images, each image a vector of its own: a residual network, a vision transformer, a perceptron."""

from __future__ import annotations

from typing import Any, Literal

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
        collapsed: What its training ended in, if in a collapse (`TrainResult.collapsed`).
    """

    modality = "image"
    kept = ("shape",)
    dim: int
    collapsed: str = ""
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
        groups: Of GroupNorm; must divide every width. With 16 channels or more a group the network is as fast as with
            BatchNorm (it then has channels last in memory).
        stride: Of the first convolution: 2 halves the image at once, for images of 32 pixels and more.
        standardized: Weight standardisation (Qiao et al. 2019): with it GroupNorm of few groups learns nearly
            as well as BatchNorm, and without it much worse.

    Examples:
        >>> encoder = ImageEncoder(widths=(8, 16))
        >>> encoder(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 16])
        >>> ImageEncoder(3, groups=2, stride=2, standardized=True)(torch.zeros(3, 3, 32, 32)).shape
        torch.Size([3, 128])
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        widths: tuple[int, ...] = (32, 64, 128),
        groups: int = 8,
        stride: int = 1,
        standardized: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.widths, self.groups = channels, widths, groups
        self.stride, self.standardized = stride, standardized
        self.dim = widths[-1]
        # PyTorch's GroupNorm is slow on narrow groups that lie so
        wide = min(widths) // groups >= 16
        self.layout = torch.channels_last if wide else torch.contiguous_format
        conv = _Standardized if standardized else nn.Conv2d
        self.stem = conv(channels, widths[0], 3, stride, padding=1, bias=False)
        pairs = zip((widths[0], *widths), widths, strict=False)
        self.blocks = nn.Sequential(*(_Block(a, b, groups, 1 if i == 0 else 2, conv) for i, (a, b) in enumerate(pairs)))
        self.norm = nn.GroupNorm(groups, self.dim)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """One vector an image, with gradient; not normalised."""
        images = images.contiguous(memory_format=self.layout)
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


class _Standardized(nn.Conv2d):
    """A convolution of weights that for each output have mean 0 and variance 2 / fan-in, times a gain that is learned.

    Source: Qiao et al. 2019, "Weight Standardization", eq. 5; the scale and the gain are Brock et al. 2021's ("Signal
    propagation in unnormalized ResNets"), section 4, with He's factor for ReLU.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gain = nn.Parameter(torch.ones(self.out_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True, correction=0)
        scale = (variance * (self.weight[0].numel() / 2) + 1e-6).rsqrt() * self.gain[:, None, None, None]
        return F.conv2d(x, (self.weight - mean) * scale, None, self.stride, self.padding)


class _Block(nn.Module):
    """`x + conv(relu(norm(conv(relu(norm(x))))))`, the input strided and widened where the shape changes."""

    def __init__(self, width: int, out: int, groups: int, stride: int, conv: type[nn.Conv2d]) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(groups, width), nn.GroupNorm(groups, out)])
        self.convs = nn.ModuleList([conv(width, out, 3, stride, 1, bias=False), conv(out, out, 3, 1, 1, bias=False)])
        same = width == out and stride == 1
        self.shortcut = nn.Identity() if same else conv(width, out, 1, stride, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(F.relu(norm(y)))
        out: Tensor = self.shortcut(x) + y
        return out
