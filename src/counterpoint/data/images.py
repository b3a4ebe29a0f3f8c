"""Images with labels: scikit-learn's handwritten digits, folders of pictures, files of arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

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


def is_images(source: str | os.PathLike[str]) -> bool:
    """Whether `load_images` is for this source, and not `read`, which is for texts.

    Examples:
        >>> is_images("digits"), is_images("a.npz"), is_images("pairs.tsv")
        (True, True, False)
    """
    path = Path(source)
    if source in ("digits", "emoji", "glyphs") or path.suffix == ".npz":
        return True
    if not path.is_dir():
        return False
    from counterpoint.data._pictures import holds_pictures

    return holds_pictures(path)


def read_images(path: str | os.PathLike[str], *, size: int | None = None) -> Images:
    """Read a folder of pictures, a saved Hugging Face dataset of pictures, or an `.npz` file.

    | source | layout |
    |---|---|
    | a folder | `CLASS/*.png` (or JPEG, GIF, BMP, WebP, TIFF, PPM); names are `CLASS/FILE` |
    | a folder of `datasets.save_to_disk` | a column of images and one of class labels (extra `hub`) |
    | `.npz` | the arrays `images` and `labels`, perhaps `names` |

    In an `.npz`, `images` is `(n, h, w)`, `(n, h, w, c)` or `(n, c, h, w)` with 1 to 4 channels, uint8 in [0, 255] or
    floating point in [0, 1]; `labels` is `(n,)` of whole numbers or names. Other arrays `(n,)` of these are columns.

    Pictures are laid over white and turned as their camera says. They are grey if all are, else RGB. A picture of more
    than 89 million pixels is refused (Pillow's limit).

    Args:
        path: The folder or file.
        size: Width and height of all pictures of a folder: the middle square of each is resized. None: as they are if
            all have one size of at most 96 pixels, else the least width or height of any, at most 96.

    Raises:
        InputError: for a source that is absent, not so, or not whole, with the name of the picture.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("no such file or folder", file=path, fix="check the name")
    if not path.is_dir():
        if size is not None:
            raise InputError("arrays are not resized", file=path, fix="leave the size out, or give a folder")
        return _from_arrays(path)
    from counterpoint.data._pictures import from_folder, from_saved, is_saved

    return (from_saved if is_saved(path) else from_folder)(path, size)


def labelled(
    pixels: Float[Tensor, "n c h w"],
    labels_n: np.ndarray,
    source: str,
    names: tuple[str, ...] = (),
    columns: dict[str, Int[Tensor, " n"]] | None = None,
) -> Images:
    """Images whose labels are given as whole numbers or names, two different ones or more.

    Raises:
        InputError: All labels are the same.

    Examples:
        >>> labelled(torch.zeros(3, 1, 2, 2), np.array(["cat", "ant", "cat"]), "").labels
        tensor([1, 0, 1])
    """
    classes, label_n = np.unique(labels_n, return_inverse=True)
    if len(classes) < 2:
        raise InputError("the labels are all the same", file=source, fix="give two classes or more")
    return Images(
        pixels, torch.from_numpy(label_n).long(), source, tuple(str(each) for each in classes), names, columns or {}
    )


def _from_arrays(path: Path) -> Images:
    from zipfile import BadZipFile

    fix = "write it with numpy.savez(path, images=..., labels=...)"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
            images, labels = arrays.pop("images"), arrays.pop("labels")
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
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
    names = tuple(str(name) for name in arrays.pop("names", ()))
    columns = {
        key: torch.from_numpy(np.unique(column, return_inverse=True)[1]).long()
        for key, column in arrays.items()
        if column.shape == labels.shape and column.dtype.kind in "biuUS"
    }
    return labelled(pixels, labels, os.fspath(path), names, columns)
