"""Emoji as pictures, with their names and groups: Noto Color Emoji and the Unicode consortium's lists."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from fontTools.ttLib import TTFont, TTLibError
from PIL import Image, ImageFont

from counterpoint.data.decoding import pixels
from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError

FONT = "NotoColorEmoji.ttf"
UNICODE = Path("/usr/share/unicode")
INSTALL = "on Debian and Ubuntu run: apt-get install fonts-noto-color-emoji unicode-data unicode-cldr-core"
_LINE = re.compile(r"([0-9A-F ]+?) *; fully-qualified +# \S+ E[0-9.]+ (.+)")


def emoji(
    size: int = 24,
    *,
    keywords: bool = False,
    font: str | os.PathLike[str] = FONT,
    unicode: str | os.PathLike[str] = UNICODE,
) -> Data:
    """Some 1,370 emoji in eight groups (smileys, people, animals, food, travel, activities, objects, symbols).

    An emoji is taken if it is one code point. What is a sequence of several is left out: skin tones, genders, families,
    keycaps and the flags of countries, which are variants of one drawing, and a few others (the polar bear). The five
    flags that are left are too few for a group. Clocks (24) and coloured shapes stay, alike as they are.

    The pictures are the font's bitmaps of 128 x 128 pixels over white. Labels are the groups, the column `subgroup`
    the hundred subgroups of Unicode Technical Standard 51 (`emoji-test.txt`), and names the CLDR short names there.

    Args:
        size: Width and height, in pixels.
        keywords: Put the keywords of CLDR's English annotations behind each name that has some.
        font: A file of bitmaps (the table CBDT), or the name of an installed one.
        unicode: The folder with `emoji/emoji-test.txt` and `cldr/common/annotations/en.xml`.

    Raises:
        InputError: The font or the lists are not installed, or are not what they should be.

    Examples:
        >>> data = emoji()  # doctest: +SKIP
        >>> tuple(data.anchors.tensor.shape), data.anchors.names[0], data.classes[0]  # doctest: +SKIP
        ((1372, 3, 24, 24), 'grinning face', 'Smileys & Emotion')
        >>> emoji(font="none.ttf", unicode="nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: none.ttf: the font is not installed; on Debian and Ubuntu run: apt-get install \
fonts-noto-color-emoji unicode-data unicode-cldr-core.
    """
    if size < 1:
        raise InputError(f"no pictures of {size} pixels", fix="use 24")
    bitmaps = _bitmaps(font)
    rows = [row for row in _listed(Path(unicode)) if row[3] in bitmaps]
    if len(rows) < 100:
        raise InputError(f"the font has pictures of {len(rows)} emoji only", file=font, fix="use Noto Color Emoji")
    groups, subgroups, names, points = map(list, zip(*rows, strict=True))
    pictures = np.empty((len(rows), 3, size, size), np.uint8)
    for picture, point in zip(pictures, points, strict=True):
        picture[:] = pixels(Image.open(io.BytesIO(bitmaps[point]), formats=("PNG",)), (size, size))
    if keywords:
        known = _keywords(Path(unicode))
        # the name is often one of its own keywords
        names = [", ".join(dict.fromkeys([n, *known.get(p, [])])) for n, p in zip(names, points, strict=True)]
    classes, labels = _numbered(groups)
    return Data.alone(
        Items("image", torch.from_numpy(pictures), tuple(names)),
        source=f"emoji of {Path(font).name}",
        classes=classes,
        label=labels,
        subgroup=_numbered(subgroups)[1],
    )


def _bitmaps(font: str | os.PathLike[str]) -> dict[int, bytes]:
    """PNG files of a font's largest strike by code point."""
    try:
        # Pillow looks in the system's folders of fonts; 109 is the one size that this font has
        path = str(ImageFont.truetype(os.fspath(font), 109).path)
    except OSError as error:
        raise InputError("the font is not installed", file=font, fix=INSTALL) from error
    try:
        with TTFont(path, lazy=True) as table:
            strike = max(table["CBDT"].strikeData, key=len)
            cmap = table.getBestCmap()
            return {point: strike[glyph].imageData for point, glyph in cmap.items() if glyph in strike}
    except (TTLibError, KeyError, AttributeError) as error:
        raise InputError(
            "the font holds no bitmaps", file=path, fix="use the CBDT edition of Noto Color Emoji"
        ) from error


def _listed(folder: Path) -> Iterator[tuple[str, str, str, int]]:
    """Group, subgroup, name and code point of each emoji that is one code point, but for flags."""
    file = folder / "emoji" / "emoji-test.txt"
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise InputError("the list of emoji is not installed", file=file, fix=INSTALL) from error
    group = subgroup = ""
    for line in lines:
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif group != "Flags" and (found := _LINE.fullmatch(line)):
            points = [point for point in found[1].split() if point != "FE0F"]
            if len(points) == 1:
                yield group, subgroup, found[2], int(points[0], 16)


def _keywords(folder: Path) -> dict[int, list[str]]:
    file = folder / "cldr" / "common" / "annotations" / "en.xml"
    try:
        # the system's own file, from its own package: no guard against hostile XML
        annotations = ElementTree.parse(file).iterfind("annotations/annotation")
        return {
            ord(each.attrib["cp"]): (each.text or "").split(" | ")
            for each in annotations
            if len(each.attrib["cp"]) == 1 and each.get("type") != "tts"
        }
    except (OSError, ElementTree.ParseError) as error:
        raise InputError("CLDR's annotations are not installed", file=file, fix=INSTALL) from error


def _numbered(names: list[str]) -> tuple[tuple[str, ...], torch.Tensor]:
    """The different names in order of appearance, and the number of each."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return tuple(numbers), torch.tensor([numbers[name] for name in names])
