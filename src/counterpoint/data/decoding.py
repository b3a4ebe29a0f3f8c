"""From encoded pictures of any size to pixels of one size, decoded once and kept as uint8."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from counterpoint.data.types import Progress, Rejects
from counterpoint.errors import InputError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
LARGEST = 96
_AT_ONCE = 256


@dataclass(frozen=True)
class Encoded:
    """A picture as it is kept: a file, or its bytes.

    Attributes:
        content: The file, its bytes, or a picture that is open.
        file: Where to look for what is wrong with it.
        line: The line or row of that file, from 1; 0: the file is the picture.
        name: What to call it, where the file is not it.
    """

    content: Path | bytes | Image.Image
    file: str
    line: int = 0
    name: str = ""


@dataclass(frozen=True)
class Decoded:
    """Pictures of one size.

    Attributes:
        pixels: uint8, those that can be read.
        kept: Which of all they are.
        notes: What was done to them.
    """

    pixels: UInt8[Tensor, "n c h w"]
    kept: Bool[Tensor, " m"]
    notes: tuple[str, ...]


def decode(
    pictures: Callable[[], Iterable[Encoded]],
    source: str,
    *,
    size: int | None = None,
    reject: Rejects,
    progress: Progress | None = None,
) -> Decoded:
    """Pictures as pixels of one size: grey if all are, else RGB; over white, turned as their camera says.

    They are gone through twice: for their sizes and modes, which their first bytes tell, and to be decoded, by as many
    threads as there are processors, at most four.

    Args:
        pictures: Gives all of them, each time it is called.
        source: What to name in an error.
        size: Width and height: the middle square of each is resized. None: as they are if all have one size of at most
            96 pixels, else the least width or height of any, at most 96.
        reject: Called with each picture that cannot be read.
        progress: Called now and then with the number of those decoded and of all.

    Raises:
        InputError: There are none, or one is torn, has more than 8 bits a channel, or more than 89 million pixels
            (Pillow's limit).

    Examples:
        >>> decoded = decode(lambda: [Encoded(Image.new("RGB", (9, 9)), "a.png")], "a", reject=Rejects("a"))
        >>> tuple(decoded.pixels.shape), decoded.pixels.dtype, decoded.notes
        ((1, 3, 9, 9), torch.uint8, ())
    """
    if size is not None and size < 1:
        raise InputError(f"no pictures of {size} pixels", fix="use 32")
    with warnings.catch_warnings():
        # what is odd in a file and does no harm; but a file that unpacks to gigabytes does
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        looks = [_look(each, reject) for each in pictures()]
        kept = np.array([look is not None for look in looks], bool)
        sizes = Counter(look[0] for look in looks if look is not None)
        modes = Counter(look[1] for look in looks if look is not None)
        if not sizes:
            bad = f"no picture can be read (the first: {reject.rows[0].reason})" if reject.rows else "no pictures"
            raise InputError(bad, file=source, fix="give a folder with pictures")
        shape = next(iter(sizes))
        if size is not None or len(sizes) > 1 or max(shape) > LARGEST:
            shape = (size or min(LARGEST, *(min(each) for each in sizes)),) * 2
        channels = 1 if modes.keys() <= {"1", "L"} else 3
        array = np.empty((len(looks), channels, shape[1], shape[0]), np.uint8)

        def fill(row: int, encoded: Encoded) -> InputError | None:
            try:
                with opened(encoded) as picture:
                    array[row] = pixels(ImageOps.exif_transpose(picture), shape, channels)
            except InputError as error:
                return error
            return None

        todo = ((row, each) for row, each in enumerate(pictures()) if kept[row])
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            done = 0
            while some := list(islice(todo, _AT_ONCE)):
                for (row, each), error in zip(some, pool.map(fill, *zip(*some, strict=True)), strict=True):
                    if error is not None:
                        _reject(error, each, reject)
                        kept[row] = False
                done += len(some)
                if progress is not None:
                    progress(done, int(kept.sum()))
    if not kept.any():
        raise InputError(f"no picture can be read (the first: {reject.rows[0].reason})", file=source)
    tensor = torch.from_numpy(array if kept.all() else array[kept])
    return Decoded(tensor, torch.from_numpy(kept), tuple(_notes(sizes, shape, modes, channels)))


def pixels(picture: Image.Image, size: tuple[int, int], channels: int = 3) -> UInt8[np.ndarray, "c h w"]:
    """A picture over white, its middle cut to the shape of `size`, each new pixel the mean of the area it covers.

    Args:
        picture: Of any mode with 8 bits a channel.
        size: Width and height.
        channels: 1 for grey, 3 for colours.
    """
    if picture.mode != "RGB":
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB" if channels == 3 else "L")
    if picture.size != size:
        picture = ImageOps.fit(picture, size, Image.Resampling.BOX)
    array = np.asarray(picture)
    return array.reshape(*array.shape[:2], channels).transpose(2, 0, 1)


def is_picture(file: Path) -> bool:
    """Whether a file's name is that of a picture, and neither it nor a folder is hidden."""
    hidden = any(part.startswith(".") for part in file.parts)
    return file.suffix.lower() in SUFFIXES and not hidden


@contextlib.contextmanager
def opened(encoded: Encoded) -> Iterator[Image.Image]:
    """The picture, whose pixels are read when they are asked for.

    Raises:
        InputError: It is none, or anything goes wrong while it is used.
    """
    content, which = encoded.content, f" {encoded.name}" if encoded.name else ""
    try:
        if isinstance(content, Image.Image):
            yield content
            return
        with Image.open(content if isinstance(content, Path) else io.BytesIO(content), formats=FORMATS) as picture:
            yield picture
    except InputError:
        raise
    except UnidentifiedImageError as error:
        fix = f"remove it, or save it as one of {', '.join(FORMATS)}"
        raise InputError(f"{encoded.name} is not a picture" if which else "not a picture", fix=fix) from error
    except Exception as error:  # decoders raise whatever they stumble over
        raise InputError(f"the picture{which} cannot be read ({error})", fix="replace or remove it") from error


def _look(encoded: Encoded, reject: Rejects) -> tuple[tuple[int, int], str] | None:
    """Size and mode; None if it is rejected."""
    try:
        with opened(encoded) as picture:
            if picture.mode.startswith(("I", "F")):
                raise InputError(f"more than 8 bits a channel (mode {picture.mode})", fix="save 8")
            return picture.size, picture.mode
    except InputError as error:
        _reject(error, encoded, reject)
        return None


def _reject(error: InputError, encoded: Encoded, reject: Rejects) -> None:
    reject.at(encoded.file)(error.what, encoded.line, encoded.name or encoded.file, error.fix)


def _notes(
    sizes: Counter[tuple[int, int]], shape: tuple[int, int], modes: Counter[str], channels: int
) -> Iterator[str]:
    if changed := sum(count for each, count in sizes.items() if each != shape):
        widths, heights = ({each[i] for each in sizes} for i in (0, 1))
        span = " x ".join(_span(sorted(each)) for each in (widths, heights))
        yield f"{changed:,} resized, the middle square of each (from {span})"
    plain = {"L"} if channels == 1 else {"RGB"}
    if others := {mode: count for mode, count in modes.items() if mode not in plain}:
        said = ", ".join(f"{count:,} of mode {mode}" for mode, count in sorted(others.items()))
        yield f"made {'grey' if channels == 1 else 'RGB, over white where they are transparent'}: {said}"


def _span(numbers: list[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
