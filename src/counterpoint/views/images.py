"""Random views of images, a batch at a time, each image with its own random numbers (torch's global state)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.views._draw import Range, part, uniform

Pixels: TypeAlias = Float[Tensor, "n c h w"]
View: TypeAlias = Callable[[Pixels], Pixels]
"""Anything that takes pixels and gives as many of the same shape; so do the augmentations of kornia."""


def compose(*views: View) -> View:
    """One view after another.

    Examples:
        >>> compose(noise(0.1), blur((0.5, 1.0)))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """

    def view(pixels: Pixels) -> Pixels:
        for one in views:
            pixels = one(pixels)
        return pixels

    return view


def affine(*, area: Range = (1.0, 1.0), aspect: Range = (1.0, 1.0), degrees: float = 0.0, flip: bool = False) -> View:
    """Crop a random part, resize it to the whole, and turn it: one bilinear resampling.

    The part has `area` of the image's and `aspect` as its width over height, and lies at random within the image
    (Szegedy et al. 2015's crop, SimCLR's first view; there area is 0.08 to 1 and aspect 3/4 to 4/3).

    Args:
        area: Least and greatest share of the area.
        aspect: Least and greatest width over height, drawn log-uniformly.
        degrees: Turned by at most so much, either way.
        flip: Mirror half of the images left to right.

    Examples:
        >>> x = torch.rand(2, 1, 8, 8)
        >>> torch.allclose(affine()(x), x, atol=1e-5)
        True
    """

    def view(pixels: Pixels) -> Pixels:
        n = len(pixels)
        width, height, x, y = part(n, area, aspect)
        angle = uniform(n, (-degrees, degrees)) * (math.pi / 180)
        cos, sin = angle.cos(), angle.sin()
        mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0) if flip else torch.ones(n)
        rows = [width * cos * mirror, -width * sin, x, height * sin * mirror, height * cos, y]
        theta = torch.stack(rows, 1).view(n, 2, 3).to(pixels)
        grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, align_corners=False, padding_mode="border")

    return view


def blur(sigma: Range = (0.1, 2.0), p: float = 0.5) -> View:
    """Gaussian blur over 3 x 3 pixels, of a random width, for a random share `p` of the images.

    Args:
        sigma: Least and greatest standard deviation, in pixels.
        p: Probability that an image is blurred.

    Examples:
        >>> x = torch.ones(1, 1, 4, 4)
        >>> torch.allclose(blur(p=1.0)(x), x)
        True
    """

    def view(pixels: Pixels) -> Pixels:
        n, c, h, w = pixels.shape
        weight = torch.exp(-0.5 * (torch.tensor([-1.0, 0.0, 1.0]) / uniform(n, sigma)[:, None]).square())
        weight = weight / weight.sum(1, keepdim=True)
        weight = torch.where((torch.rand(n) < p)[:, None], weight, torch.tensor([0.0, 1.0, 0.0])).to(pixels)
        kernel = (weight[:, :, None] * weight[:, None, :]).repeat_interleave(c, 0)[:, None]
        padded = F.pad(pixels, (1, 1, 1, 1), mode="replicate").view(1, n * c, h + 2, w + 2)
        return F.conv2d(padded, kernel, groups=n * c).view(n, c, h, w)

    return view


def brightness(strength: float = 0.4) -> View:
    """Contrast and brightness: `a x + b`, `a` in `1 -+ strength`, `b` in `-+ strength / 2`, cut to [0, 1].

    Examples:
        >>> float(brightness(0.8)(torch.ones(4, 1, 2, 2)).max()) <= 1
        True
    """

    def view(pixels: Pixels) -> Pixels:
        n = len(pixels)
        factor, shift = uniform(n, (1 - strength, 1 + strength)), uniform(n, (-strength / 2, strength / 2))
        return (pixels * factor.to(pixels)[:, None, None, None] + shift.to(pixels)[:, None, None, None]).clamp(0, 1)

    return view


def noise(sigma: float = 0.1) -> View:
    """Gaussian noise on every pixel, within [0, 1].

    Examples:
        >>> x = torch.full((1, 1, 4, 4), 0.5)
        >>> bool((noise(0.1)(x) != x).any())
        True
    """
    return lambda pixels: (pixels + sigma * torch.randn_like(pixels)).clamp(0, 1)
