"""Images with labels: scikit-learn's handwritten digits, folders of pictures, files of arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.data.arrays import exact
from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError


class _Columns(dict[str, Tensor]):
    """Says what is lacking."""

    def __missing__(self, name: str) -> Tensor:
        raise InputError(f"the images have no column {name!r}", fix="choose images that have it, or add it")


@dataclass(frozen=True)
class Images:
    """Images of one size and their classes.

    Attributes:
        pixels: `(n, c, h, w)` float32 in [0, 1].
        labels: `(n,)` int64 from 0.
        source: Where they came from.
        classes: The name of each label, or nothing.
        names: The name of each image, or nothing.
        columns: What else is known of each image, `(n,)` int64 from 0: its domain, its subclass.

    Raises:
        InputError: Labels, names or a column of another length; later, a column that is asked for and lacking.

    Examples:
        >>> images = Images(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 1]), "", names=("a", "b", "c"))
        >>> images[images.labels == 1].names
        ('b', 'c')
    """

    pixels: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    source: str
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    columns: dict[str, Int[Tensor, " n"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _Columns(self.columns))
        lengths = {"labels": len(self.labels), **{name: len(column) for name, column in self.columns.items()}}
        if self.names:
            lengths["names"] = len(self.names)
        for name, length in lengths.items():
            if length != len(self.pixels):
                raise InputError(f"{len(self.pixels)} images and {length} {name}", fix="give one an image")

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: Tensor) -> Images:
        chosen = torch.arange(len(self))[rows].tolist() if self.names else []
        return replace(
            self,
            pixels=self.pixels[rows],
            labels=self.labels[rows],
            names=tuple(self.names[row] for row in chosen),
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def split(self, test: float = 0.5, seed: int = 0) -> tuple[Images, Images]:
        """Train and test parts, each class divided alike.

        Args:
            test: Share of each class for test, above 0 and below 1.
            seed: Same seed, same parts.

        Examples:
            >>> train, test = digits().split(seed=0)
            >>> len(train), len(test)
            (899, 898)
        """
        generator = torch.Generator().manual_seed(seed)
        held: list[Tensor] = []
        for label in self.labels.unique().tolist():
            rows = (self.labels == label).nonzero()[:, 0]
            rows = rows[torch.randperm(len(rows), generator=generator)]
            held.append(rows[: max(1, round(test * len(rows)))])
        mask = torch.zeros(len(self), dtype=torch.bool)
        mask[torch.cat(held)] = True
        return self[(~mask).nonzero()[:, 0]], self[mask.nonzero()[:, 0]]


def digits() -> Images:
    """1,797 handwritten digits of 8 x 8 pixels, ten classes (UCI's optical recognition set, as scikit-learn has it).

    Examples:
        >>> images = digits()
        >>> tuple(images.pixels.shape), float(images.pixels.max())
        ((1797, 1, 8, 8), 1.0)
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float()[:, None] / 16
    return Images(pixels, torch.from_numpy(bunch.target).long(), "scikit-learn digits")


NAMED = ("digits", "emoji", "glyphs")
"""The pictures that need no file."""


def load_images(source: str | os.PathLike[str]) -> Images:
    """`digits`, `emoji` or `glyphs` by name, anything else by `read_images`.

    Raises:
        InputError: What these raise.

    Examples:
        >>> len(load_images("digits"))
        1797
    """
    if source == "digits":
        return digits()
    if source == "emoji":
        from counterpoint.data.emoji import emoji

        return emoji()
    if source == "glyphs":
        from counterpoint.data.glyphs import glyphs

        return glyphs()
    return read_images(source)


def read_images(path: str | os.PathLike[str], *, size: int | None = None) -> Images:
    """The labelled pictures of a folder, an `.npz` file or a saved data set; of several parts those of training.

    Args:
        path: The folder or file.
        size: Width and height, as `load_source` takes it.

    Raises:
        InputError: What `load_source` raises, or pictures without labels.
    """
    from counterpoint.data.sources import load_source

    loaded = load_source(Path(path), size=size)
    data = loaded.data
    if "label" not in data.columns or data.anchors.modality != "image":
        raise InputError(f"it holds {loaded.kind}, where labelled pictures are needed", file=path, fix="give such")
    items = data.anchors[data.anchor]
    pixels, columns = items.tensor, dict(data.columns)
    labels = columns.pop("label")
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
    return Images(pixels, labels, data.source, data.classes, tuple(items.names), columns)


def rows_of_images(images: Images) -> Data:
    """Labelled pictures as rows, their pixels as uint8 where that is the same.

    Examples:
        >>> rows_of_images(digits()).schema
        'labelled'
    """
    items = Items("image", exact(images.pixels), images.names)
    columns = {"label": images.labels, **images.columns}
    return Data.alone(items, source=images.source, classes=images.classes, **columns)
