"""Letters in many fonts: what is written is the class, the font is the domain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from string import ascii_uppercase

import numpy as np
import torch
from fontTools.ttLib import TTFont
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError


def glyphs(
    size: int = 24, *, letters: str = ascii_uppercase, fonts: Sequence[str | os.PathLike[str]] | None = None
) -> Data:
    """Each letter in each font: grey, bright on dark, its ink in the middle.

    Labels are the letters, the column `domain` the fonts in the order of their names, and the items' names say both.
    Fonts that lack a letter or draw all of them as an earlier font does are left out.

    Args:
        size: Width and height, in pixels; a letter's em is three quarters of it.
        letters: The classes, two or more.
        fonts: Files (TrueType, OpenType), or None for the installed ones, which differ from machine to machine.

    Raises:
        InputError: Fewer than two letters or fonts that can be used, or a given file that cannot be read.

    Examples:
        >>> import matplotlib
        >>> folder = matplotlib.get_data_path() + "/fonts/ttf/"
        >>> data = glyphs(16, letters="AB", fonts=[folder + "DejaVuSans.ttf", folder + "DejaVuSerif.ttf"])
        >>> data.anchors.names
        ('A, DejaVu Sans Book', 'B, DejaVu Sans Book', 'A, DejaVu Serif Book', 'B, DejaVu Serif Book')
        >>> data.columns["label"].tolist(), data.columns["domain"].tolist()
        ([0, 1, 0, 1], [0, 0, 1, 1])
    """
    if size < 1 or len(set(letters)) < max(2, len(letters)):
        raise InputError(f"no glyphs of {letters!r} with {size} pixels", fix="give different letters and a size")
    given = fonts is not None
    if fonts is None:
        from matplotlib.font_manager import findSystemFonts

        fonts = findSystemFonts()
    drawn: dict[bytes, tuple[str, np.ndarray]] = {}
    for file in sorted(os.fspath(each) for each in fonts):
        try:
            name, array = _draw(file, letters, size)
        except Exception as error:  # a font may be broken in any way
            if given:
                raise InputError(f"the font cannot be read ({error})", file=file, fix="give a TrueType font") from error
            continue
        if len({letter.tobytes() for letter in array}) == len(letters):
            drawn.setdefault(array.tobytes(), (name, array))
    if len(drawn) < 2:
        raise InputError(f"{len(drawn)} fonts have {letters!r}", fix="install more, or name the files of two or more")
    names, arrays = zip(*sorted(drawn.values(), key=lambda each: each[0]), strict=True)
    pixels = torch.from_numpy(np.concatenate(arrays))[:, None]
    return Data.alone(
        Items("image", pixels, tuple(f"{letter}, {name}" for name in names for letter in letters)),
        source=f"glyphs of {len(names)} fonts",
        classes=tuple(letters),
        label=torch.arange(len(letters)).repeat(len(names)),
        domain=torch.arange(len(names)).repeat_interleave(len(letters)),
    )


def _draw(file: str, letters: str, size: int) -> tuple[str, UInt8[np.ndarray, "l h w"]]:
    """A font's name and its letters; no picture of a letter that it lacks."""
    with TTFont(file, fontNumber=0, lazy=True) as table:
        known = table.getBestCmap() or {}
    font = ImageFont.truetype(file, 3 * size)
    array = np.zeros((len(letters), size, size), np.uint8)
    for row, letter in enumerate(letters):
        if ord(letter) in known:
            # four times as large, for smooth edges
            canvas = Image.new("L", (4 * size, 4 * size))
            left, top, right, bottom = font.getbbox(letter)
            middle = ((4 * size - left - right) / 2, (4 * size - top - bottom) / 2)
            ImageDraw.Draw(canvas).text(middle, letter, fill=255, font=font)
            array[row] = np.asarray(canvas.reduce(4))
    return " ".join(filter(None, font.getname())), array
