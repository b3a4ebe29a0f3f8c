"""Digits turned by known angles: the angle is what is to be known, or a domain that must not matter."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.images import Images, digits

STEP, DOMAINS, WIDEST = 15, 5, 90


def turned(pixels: Float[Tensor, "n c h w"], degrees: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """Each image turned anticlockwise by its angle, bilinearly, dark where nothing was."""
    angle = degrees * (math.pi / 180)
    zero = torch.zeros_like(angle)
    theta = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def angles(seed: int) -> tuple[Images, Images]:
    """Halves of the digits, each image turned by 0 to 90 degrees (column `angle`)."""
    train, test = digits().split(seed=seed)
    generator = torch.Generator().manual_seed(seed)

    def turn(images: Images) -> Images:
        angle = torch.randint(0, WIDEST + 1, (len(images),), generator=generator)
        return replace(images, pixels=turned(images.pixels, angle.float()), columns={"angle": angle})

    return turn(train), turn(test)


def domains(seed: int) -> tuple[Images, Images]:
    """Half of the digits in five domains, turned by 0, 15, ... 60 degrees; the other half turned by 75, a new one.

    Column `domain`; and `mixed`, as many groups of the same sizes that say nothing.
    """
    train, test = digits().split(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    domain = torch.arange(len(train))[torch.randperm(len(train), generator=generator)] % DOMAINS
    columns = {"domain": domain, "mixed": domain[torch.randperm(len(train), generator=generator)]}
    new = torch.full((len(test),), float(STEP * DOMAINS))
    return (
        replace(train, pixels=turned(train.pixels, STEP * domain.float()), columns=columns),
        replace(test, pixels=turned(test.pixels, new)),
    )
