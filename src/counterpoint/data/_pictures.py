"""From a picture as Pillow has it to pixels of one size."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps


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
    array = np.asarray(ImageOps.fit(picture, size, Image.Resampling.BOX))
    return array.reshape(*array.shape[:2], channels).transpose(2, 0, 1)
