"""Images with labels: scikit-learn's handwritten digits, or a file of arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError


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
        InputError: Labels, names or a column of another length.

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


def read_images(path: str | os.PathLike[str]) -> Images:
    """Read an `.npz` file with the arrays `images` and `labels`.

    Args:
        path: `images` is `(n, h, w)`, `(n, h, w, c)` or `(n, c, h, w)` with 1 to 4 channels, uint8 in [0, 255] or
            floating point in [0, 1]; `labels` is `(n,)` of whole numbers or names.

    Raises:
        InputError: for a file that is absent, not so, or not whole.
    """
    from zipfile import BadZipFile

    import numpy as np

    fix = "write it with numpy.savez(path, images=..., labels=...)"
    if not Path(path).exists():
        raise InputError("no such file", file=path, fix=fix)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"the images cannot be read ({error})", file=path, fix=fix) from error
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] > 4 >= images.shape[3]:
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] > 4 or labels.shape != images.shape[:1] or len(labels) < 4:
        raise InputError(
            f"images of shape {images.shape} and labels of shape {labels.shape} do not fit", file=path, fix=fix
        )
    pixels = torch.from_numpy(images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1))
    if not (bool(pixels.isfinite().all()) and float(pixels.min()) >= 0 and float(pixels.max()) <= 1):
        raise InputError("pixels are outside their range", file=path, fix="give uint8, or floating point from 0 to 1")
    classes, label = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError("the labels are all the same", file=path, fix="give two classes or more")
    return Images(pixels, torch.from_numpy(label).long(), os.fspath(path))
