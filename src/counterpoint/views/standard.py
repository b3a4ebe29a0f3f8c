"""The view that pictures have where nothing else is said."""

from __future__ import annotations

from counterpoint.views._draw import Range
from counterpoint.views.colour import grey, jitter
from counterpoint.views.images import View, affine, blur, brightness, compose, noise


def picture_view(area: Range | None = None) -> View:
    """SimCLR's views (Chen et al. 2020, section 3), for small pictures: a wide crop with flips, colour, blur.

    Pictures of one channel (digits, letters) are cropped less, turned a little, never mirrored, and change their
    brightness and contrast instead of colours.

    Args:
        area: Least and greatest share of the area that a crop has; None: 0.2 to 1, and 0.4 to 1 of one channel.

    Examples:
        >>> import torch
        >>> picture_view()(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """
    crop = affine(area=area or (0.4, 1.0), aspect=(3 / 4, 4 / 3), degrees=15.0)
    digit = compose(crop, brightness(0.4), blur((0.1, 1.0)), noise(0.05))
    wide = affine(area=area or (0.2, 1.0), aspect=(3 / 4, 4 / 3), flip=True)
    picture = compose(wide, jitter(0.5), grey(0.2), blur((0.1, 1.0)))
    return lambda pixels: digit(pixels) if pixels.shape[1] == 1 else picture(pixels)
