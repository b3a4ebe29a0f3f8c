"""Pictures that need no file: scikit-learn's handwritten digits, emoji and glyphs by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from counterpoint.data.items import Data, Items


def digits() -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, ten classes (UCI's optical recognition set, as scikit-learn has it).

    Examples:
        >>> data = digits()
        >>> data.schema, tuple(data.anchors.tensor.shape), float(data.anchors.tensor.max())
        ('labelled', (1797, 1, 8, 8), 1.0)
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float()[:, None] / 16
    return Data.alone(Items("image", pixels), source="scikit-learn digits", label=torch.from_numpy(bunch.target).long())


def _emoji() -> Data:
    from counterpoint.data.emoji import emoji

    return emoji()


def _glyphs() -> Data:
    from counterpoint.data.glyphs import glyphs

    return glyphs()


NAMED: dict[str, Callable[[], Data]] = {"digits": digits, "emoji": _emoji, "glyphs": _glyphs}
"""By the name that a source is given by."""
