"""Random numbers for views, one an image, from torch's global state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.errors import InputError

Range: TypeAlias = tuple[float, float]


def uniform(n: int, between: Range) -> Float[Tensor, " n"]:
    """`n` numbers from a range."""
    return between[0] + (between[1] - between[0]) * torch.rand(n)


def part(n: int, area: Range, aspect: Range) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Width, height and middle (x, y) of a part of an image that spans [-1, 1]; a whole is of width 1."""
    ratio = torch.exp(uniform(n, (math.log(aspect[0]), math.log(aspect[1]))) / 2)
    side = uniform(n, area).sqrt()
    width, height = (side * ratio).clamp(max=1), (side / ratio).clamp(max=1)
    # a part of width w fits with its middle within 1 - w of the image's
    x, y = ((1 - size) * uniform(n, (-1.0, 1.0)) for size in (width, height))
    return width, height, x, y


def where(
    chosen_n: Bool[Tensor, " n"],
    pixels: Float[Tensor, "n c h w"],
    change: Callable[[Float[Tensor, "m c h w"], Int[Tensor, " m"]], Float[Tensor, "m c h w"]],
) -> Float[Tensor, "n c h w"]:
    """The images, the chosen ones changed; no work is done for the others."""
    rows = chosen_n.nonzero()[:, 0]
    if len(rows) == len(pixels):
        return change(pixels, rows)
    at = rows.to(pixels.device)
    return pixels.index_copy(0, at, change(pixels[at], rows))


def below(n: int, generator: torch.Generator) -> int:
    """A whole number from 0 to `n - 1`."""
    return int(torch.randint(n, (), generator=generator))


def some(n: int, k: int, generator: torch.Generator) -> list[int]:
    """`k` different whole numbers below `n`, in random order."""
    chosen: list[int] = torch.randperm(n, generator=generator)[:k].tolist()
    return chosen


def check_share(share: float, what: str = "share") -> None:
    """Refuse a share that is not from 0 to below 1.

    Raises:
        InputError: It is not.
    """
    if not 0 <= share < 1:
        raise InputError(f"{what} {share} is not from 0 to below 1", fix=f"give such a {what}")
