"""Views that know where they are from: crops with their boxes, several an image, and quarter turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.views._draw import Range, part
from counterpoint.views.images import Pixels

Boxes: TypeAlias = Float[Tensor, "n 4"]


def boxes(n: int, *, area: Range = (0.08, 1.0), aspect: Range = (3 / 4, 4 / 3), flip: bool = False) -> Boxes:
    """Random parts of images (Szegedy et al. 2015): left, top, right and bottom, each from 0 to 1.

    Args:
        n: How many.
        area: Least and greatest share of the image's area.
        aspect: Least and greatest width over height, drawn log-uniformly.
        flip: Mirror half of them: left and right change places.

    Examples:
        >>> boxes(2, area=(1.0, 1.0), aspect=(1.0, 1.0)).tolist()
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    width, height, x, y = part(n, area, aspect)
    half = torch.where(torch.rand(n) < 0.5, -width, width) if flip else width
    return (torch.stack([x - half, y - height, x + half, y + height], 1) + 1) / 2


def crop(pixels: Pixels, boxes_n4: Boxes, size: int | None = None) -> Pixels:
    """The part of each image that its box has, resized (bilinear).

    Args:
        pixels: The images.
        boxes_n4: Left, top, right, bottom; mirrored where right is less than left.
        size: Width and height of what comes out; None: as the images.

    Examples:
        >>> x = torch.arange(4.0).view(1, 1, 1, 4)
        >>> crop(x, torch.tensor([[1.0, 0.0, 0.0, 1.0]])).flatten().tolist()
        [3.0, 2.0, 1.0, 0.0]
    """
    left, top, right, bottom = boxes_n4.to(pixels).unbind(1)
    none = torch.zeros_like(left)
    theta = torch.stack([right - left, none, left + right - 1, none, bottom - top, top + bottom - 1], 1).view(-1, 2, 3)
    shape = [*pixels.shape[:2], *(pixels.shape[2:] if size is None else (size, size))]
    grid = F.affine_grid(theta, shape, align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False, padding_mode="border")


def multi_crop(
    pixels: Pixels,
    count: Sequence[int] = (2, 4),
    area: Sequence[Range] = ((0.14, 1.0), (0.05, 0.14)),
    size: Sequence[int | None] = (None, None),
    *,
    flip: bool = False,
) -> list[tuple[Pixels, Boxes]]:
    """Several crops of each image, of several kinds, and where each is from.

    Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", section 3.2: two
    crops that cover much and some small ones that cost little.

    Args:
        pixels: The images.
        count: Crops of each kind.
        area: Least and greatest share of the area, for each kind.
        size: Width and height, for each kind; None: as the images.
        flip: Mirror half of them.

    Returns:
        `(crops, boxes)` for each crop, kind after kind.

    Raises:
        InputError: Not as many areas or sizes as counts.

    Examples:
        >>> crops = multi_crop(torch.rand(5, 3, 24, 24), count=(2, 3), size=(None, 12))
        >>> [tuple(view.shape[2:]) for view, _ in crops]
        [(24, 24), (24, 24), (12, 12), (12, 12), (12, 12)]
    """
    if not len(count) == len(area) == len(size):
        raise InputError(
            f"{len(count)} counts, {len(area)} areas and {len(size)} sizes of crops", fix="give one of each a kind"
        )
    crops = []
    for times, share, side in zip(count, area, size, strict=True):
        for _ in range(times):
            boxes_n4 = boxes(len(pixels), area=share, flip=flip)
            crops.append((crop(pixels, boxes_n4, side), boxes_n4))
    return crops


def quarter_turns(pixels: Pixels, turns_n: Int[Tensor, " n"]) -> Pixels:
    """Turn each image by so many right angles, counter-clockwise and without resampling.

    What turn it was can be a task (Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image
    Rotations"). A view by chance is `lambda x: quarter_turns(x, torch.randint(4, (len(x),)))`.

    Args:
        pixels: Square images.
        turns_n: Whole numbers; 4 is a whole turn.

    Raises:
        InputError: Images that are not square.

    Examples:
        >>> quarter_turns(torch.tensor([[[[1, 2], [3, 4]]]]), torch.tensor([1])).tolist()
        [[[[2, 4], [1, 3]]]]
    """
    if pixels.shape[2] != pixels.shape[3]:
        raise InputError(f"images of {tuple(pixels.shape[2:])} are not square", fix="crop them first")
    turned = torch.stack([pixels.rot90(k, (2, 3)) for k in range(4)])
    return turned[turns_n.to(pixels.device) % 4, torch.arange(len(pixels), device=pixels.device)]
