"""Views that change colours: brightness, contrast, saturation and hue, and no colour at all."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.views._draw import uniform, where
from counterpoint.views.images import Pixels, View

LUMA = (0.299, 0.587, 0.114)
IN_CACHE = 1 << 17
"""Numbers worked on at a time."""


def recolour(
    pixels: Pixels,
    brightness_n: Float[Tensor, " n"],
    contrast_n: Float[Tensor, " n"],
    saturation_n: Float[Tensor, " n"],
    hue_n: Float[Tensor, " n"],
) -> Pixels:
    """Change the colours of each image by numbers of its own, which a task may have to tell afterwards.

    One after another, each cut to [0, 1]: `x <- b x`; `x <- c x + (1 - c) m` with `m` the mean of the grey image;
    `x <- s x + (1 - s) g` with `g` the grey pixel (ITU-R BT.601: 0.299, 0.587, 0.114); and the hue of HSV turns by `h`.

    Args:
        pixels: RGB.
        brightness_n: `b`, 1 for no change.
        contrast_n: `c`, 1 for no change.
        saturation_n: `s`, 1 for no change, 0 for grey.
        hue_n: `h` in turns of the colour circle, 0 for no change.

    Raises:
        InputError: Images that are not RGB.

    Examples:
        >>> red, one = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), torch.ones(1)
        >>> recolour(red, one, one, one, one / 3).flatten().round(decimals=3).tolist()
        [0.0, 1.0, 0.0]
    """
    _check_colours(pixels)
    numbers = (brightness_n, contrast_n, saturation_n, hue_n)
    # a few images at a time stay in the processor's cache
    few = max(1, IN_CACHE // max(1, pixels[:1].numel()))
    pieces = zip(
        *(each.split(few) for each in (pixels, *(n.to(pixels)[:, None, None, None] for n in numbers))), strict=True
    )
    return torch.cat([_recolour(*piece) for piece in pieces])


def _recolour(x: Pixels, b: Tensor, c: Tensor, s: Tensor, h: Tensor) -> Pixels:
    x = (b * x).clamp_(0, 1)
    x = torch.lerp(_luma(x).mean((2, 3), keepdim=True), x, c).clamp_(0, 1)
    x = torch.lerp(_luma(x), x, s).clamp_(0, 1)
    red, green, blue = x.unbind(1)
    value, index = x.max(1)
    chroma = value - x.amin(1)
    sixths = torch.stack([green - blue, blue - red, red - green], 1).gather(1, index[:, None])[:, 0]
    # grey pixels have no hue, and none is needed
    hue = (sixths / chroma.clamp_min(1e-12)).add_(index, alpha=2).add_(6 * h[:, 0])
    places = torch.tensor([5.0, 3.0, 1.0]).to(x)[None, :, None, None] + hue[:, None]
    places.sub_(torch.floor(places / 6), alpha=6)
    # the lesser of k and 4 - k, from 0 to 1
    share = places.sub_(2).abs_().neg_().add_(2).clamp_(0, 1)
    return torch.addcmul(value[:, None], chroma[:, None], share, value=-1)


def jitter(strength: float = 0.5, p: float = 0.8) -> View:
    """Random brightness, contrast, saturation and hue: SimCLR's second view (Chen et al. 2020, appendix A).

    The first three are drawn from `1 -+ 0.8 strength` (never below 0), the hue from `-+ 0.2 strength` turns; see
    `recolour`. The paper has strength 1 on ImageNet and 0.5 on CIFAR-10.

    Args:
        strength: 0 for none.
        p: Probability that an image is changed.

    Examples:
        >>> x = torch.rand(2, 3, 8, 8)
        >>> torch.allclose(jitter(0.0)(x), x, atol=1e-6)
        True
    """
    factors, turns = (max(0.0, 1 - 0.8 * strength), 1 + 0.8 * strength), (-0.2 * strength, 0.2 * strength)

    def view(pixels: Pixels) -> Pixels:
        n = len(pixels)
        numbers = [uniform(n, between) for between in (factors, factors, factors, turns)]
        return where(torch.rand(n) < p, pixels, lambda some, rows: recolour(some, *(each[rows] for each in numbers)))

    return view


def grey(p: float = 0.2) -> View:
    """No colour for a random share `p` of the images: SimCLR's third view (Chen et al. 2020, appendix A).

    Examples:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> [round(value, 3) for value in grey(1.0)(red).flatten().tolist()]
        [0.299, 0.299, 0.299]
    """

    def view(pixels: Pixels) -> Pixels:
        _check_colours(pixels)
        return where(torch.rand(len(pixels)) < p, pixels, lambda some, _: _luma(some).expand_as(some))

    return view


def _check_colours(pixels: Pixels) -> None:
    if pixels.shape[1] != 3:
        raise InputError(f"images of {pixels.shape[1]} channels have no colours to change", fix="leave this view out")


def _luma(pixels: Pixels) -> Float[Tensor, "n 1 h w"]:
    red, green, blue = pixels.split(1, 1)
    grey: Tensor = LUMA[0] * red
    return grey.add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
