"""Pictures that their pixels do not tell apart: natural ones, other domains, new characters, new font families."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.testbeds.files import arrays, find

Parts: TypeAlias = tuple[Data, Data]
"""For training and for test."""
Folder: TypeAlias = str | os.PathLike[str] | None
"""Of all data; None: what `COUNTERPOINT_DATA` says."""

_MOST = 4  # fonts of a family


def cifar10(seed: int = 0, folder: Folder = None, *, most: int = 5000) -> Parts:
    """CIFAR-10 (Krizhevsky 2009): 32 x 32 pixels in colour, ten classes. Of the training pictures so many are drawn.

    Args:
        seed: Of the draw.
        folder: With `images/cifar10.npz`: `x_train`, `x_test` `(n, 32, 32, 3)` uint8, `y_train`, `y_test`, `names`.
        most: Training pictures.
    """
    path = find("images/cifar10.npz", folder)
    x_train, y_train, x_test, y_test, names = arrays(path, ("x_train", "y_train", "x_test", "y_test", "names"))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(x_train))[:most])
    classes = tuple(map(str, names))

    def part(pixels: np.ndarray, labels: np.ndarray) -> Data:
        return _data(torch.from_numpy(pixels).permute(0, 3, 1, 2), "CIFAR-10", classes, label=labels)

    return part(x_train[drawn], y_train[drawn]), part(x_test, y_test)


def pacs(seed: int = 0, folder: Folder = None, *, size: int = 32) -> Parts:
    """PACS (Li et al. 2017): photographs, paintings, cartoons and sketches of the same classes; one domain is the test.

    Columns: `label`, `domain`.

    Args:
        seed: The held-out domain is number `seed % 4`: with four seeds each is once.
        folder: With `images/pacs64.npz`: `x` `(n, 64, 64, 3)` uint8, `y`, `domain`, `names`, `domains`.
        size: Width and height.
    """
    path = find("images/pacs64.npz", folder)
    x, y, domain, names, domains = arrays(path, ("x", "y", "domain", "names", "domains"))
    pixels = _resized(torch.from_numpy(x).permute(0, 3, 1, 2), size)
    held = seed % len(domains)
    parts = ((domain != held, "PACS without"), (domain == held, "PACS,"))
    made = [
        _data(pixels[rows], f"{what} {domains[held]}", tuple(map(str, names)), label=y[rows], domain=domain[rows])
        for rows, what in parts
    ]
    return made[0], made[1]


def omniglot(seed: int = 0, folder: Folder = None, *, size: int = 28, held: int = 2) -> Parts:
    """Omniglot (Lake et al. 2015): handwritten characters, each by 20 drawers; whole alphabets are the test.

    Bright ink on dark. Columns: `label` (the character), `alphabet`, `drawer`.

    Args:
        seed: Draws the alphabets of the test.
        folder: With `images/omniglot_small1.npz`: `x` `(n, 105, 105)` of 0 and 1, `y`, `drawer`, `names`
            (alphabet/character).
        size: Width and height.
        held: Alphabets of the test.
    """
    path = find("images/omniglot_small1.npz", folder)
    x, y, drawer, names = arrays(path, ("x", "y", "drawer", "names"))
    alphabets, of_name = np.unique([str(name).split("/")[0] for name in names], return_inverse=True)
    alphabet = of_name[y]
    pixels = _resized(torch.from_numpy(x)[:, None] * 255, size)
    test = np.isin(alphabet, np.random.default_rng(seed).permutation(len(alphabets))[:held])
    made = [
        _data(
            pixels[rows],
            f"Omniglot, {', '.join(alphabets[np.unique(alphabet[rows])])}",
            tuple(map(str, names)),
            label=y[rows],
            alphabet=alphabet[rows],
            drawer=drawer[rows],
        )
        for rows in (~test, test)
    ]
    return made[0], made[1]


def glyph_families(seed: int = 0, folder: Folder = None, *, size: int = 24, held: float = 0.3) -> Parts:
    """Letters in many fonts (`counterpoint.data.glyphs`); whole families are the test.

    A family is what begins with the same word ("Noto Sans", "Noto Serif"); of each there are at most four fonts. Each
    letter is turned, made smaller and put somewhere by numbers of its own: in its place its pixels would name it.
    Columns: `label` (the letter), `domain` (the font), `family`.

    Args:
        seed: Draws the families of the test, and where the letters are.
        folder: With `fonts/`, in which fonts may lie in folders of any depth; without it the installed ones are taken.
        size: Width and height.
        held: Share of the families for the test.

    Raises:
        InputError: Fewer than four families.
    """
    from counterpoint.data.glyphs import glyphs

    place = Path(folder or os.environ.get("COUNTERPOINT_DATA") or ".") / "fonts"
    files = sorted(file for kind in ("ttf", "otf") for file in place.rglob(f"*.{kind}") if file.is_file())
    data = glyphs(size, fonts=files or None)
    letters = len(data.classes)
    families = [name.split(", ", 1)[1].split()[0] for name in data.anchors.names[::letters]]
    known, family = np.unique(families, return_inverse=True)
    if len(known) < 4:
        raise InputError(
            f"{len(known)} font families are too few to hold some out",
            file=place,
            fix="put fonts of four or more families there, or install them",
        )
    # the place of each font within its family
    place_n = np.array([int((family[:i] == family[i]).sum()) for i in range(len(family))])
    order = np.random.default_rng(seed).permutation(len(known))
    test = np.isin(family, order[: max(1, round(held * len(known)))])
    made, generator = [], torch.Generator().manual_seed(seed)
    for fonts in (~test & (place_n < _MOST), test & (place_n < _MOST)):
        rows = np.flatnonzero(np.repeat(fonts, letters))
        pixels = data.anchors.tensor[rows].float() / 255
        some = _data(
            (_put(pixels, generator) * 255).round().byte(),
            f"glyphs of {len(np.unique(family[fonts]))} families",
            data.classes,
            label=data.columns["label"].numpy()[rows],
            domain=rows // letters,
            family=family[rows // letters],
        )
        made.append(some)
    return made[0], made[1]


PICTURES: Mapping[str, Callable[[int, Folder], Parts]] = {
    "cifar10": cifar10,
    "glyph-families": glyph_families,
    "omniglot": omniglot,
    "pacs": pacs,
}


def pictures(name: str, seed: int = 0, folder: Folder = None) -> Parts:
    """The training and the test part of a testbed of pictures, uint8 with labels.

    Args:
        name: `cifar10`, `glyph-families`, `omniglot` or `pacs`.
        seed: Of what is drawn: pictures, the held-out domain, alphabets or families. Same seed, same parts.
        folder: Of all data; None: what `COUNTERPOINT_DATA` says.

    Raises:
        InputError: No such testbed, or its data are not there or not so.

    Examples:
        >>> pictures("imagenet")
        Traceback (most recent call last):
        counterpoint.errors.InputError: unknown testbed 'imagenet'; choose cifar10, glyph-families, omniglot, pacs.
    """
    if name not in PICTURES:
        raise InputError(f"unknown testbed {name!r}", fix=f"choose {', '.join(PICTURES)}")
    return PICTURES[name](seed, folder)


def _data(pixels: UInt8[Tensor, "n c h w"], source: str, classes: tuple[str, ...], **columns: np.ndarray) -> Data:
    whole = {name: torch.from_numpy(column.astype(np.int64)) for name, column in columns.items()}
    return Data.alone(Items("image", pixels.contiguous()), source=source, classes=classes, **whole)


def _put(pixels: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
    """Turned by at most 20 degrees, of 0.6 to 1 of the size, and as far from the middle as that leaves room."""
    size, turn, x, y = torch.rand(4, len(pixels), generator=generator)
    wider, angle = 1 / (0.6 + 0.4 * size), (2 * turn - 1) * (20 * torch.pi / 180)
    cos, sin, room = wider * angle.cos(), wider * angle.sin(), wider - 1
    rows = [cos, -sin, room * (2 * x - 1), sin, cos, room * (2 * y - 1)]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def _resized(pixels: UInt8[Tensor, "n c h w"], size: int) -> UInt8[Tensor, "n c s s"]:
    """Each new pixel the mean of the area it covers."""
    return F.interpolate(pixels.float(), (size, size), mode="area").round().byte()
