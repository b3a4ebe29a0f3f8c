"""Small pictures within a report, as texts."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from jaxtyping import Shaped

SIDE = 48
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+=*")


def thumbnail(pixels: Shaped[np.ndarray, "c h w"]) -> str:
    """A picture as a PNG of at most 48 x 48 pixels in a `data:` address, which is a few kilobytes long.

    Args:
        pixels: uint8, or floating point from 0 to 1; of 3 channels in colour, of any other number their mean.

    Examples:
        >>> thumbnail(np.zeros((3, 64, 64), dtype=np.uint8))[:22]
        'data:image/png;base64,'
    """
    from PIL import Image  # comes with matplotlib

    if pixels.dtype != np.uint8:
        pixels = (np.asarray(pixels, dtype=np.float32).clip(0, 1) * 255).round().astype(np.uint8)
    plane = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels.mean(0).round().astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(plane))
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def is_picture(address: str) -> bool:
    """Whether a text is what `thumbnail` gives, which is all that a page shows.

    Examples:
        >>> is_picture("https://example.org/a.png"), is_picture("")
        (False, False)
    """
    return _PICTURE.fullmatch(address) is not None


def pixels_of(address: str) -> Shaped[np.ndarray, "h w c"]:
    """The pixels of what `thumbnail` gave, as matplotlib takes them."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGB"))
