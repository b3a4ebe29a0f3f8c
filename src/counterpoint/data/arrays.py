"""Arrays of pictures, from an `.npz` file or from memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.data.loaded import Loaded
from counterpoint.data.types import PARTS
from counterpoint.errors import InputError

IMAGES = ("images", "x")
LABELS = ("labels", "label", "y")
FIX = "write it with numpy.savez(path, images=..., labels=...)"


def read_arrays(path: Path) -> Loaded:
    """An `.npz` file, as `from_arrays`; never unpickled.

    Raises:
        InputError: It is not whole, or not so.
    """
    import zlib
    from zipfile import BadZipFile

    if not path.exists():
        raise InputError("no such file", file=path, fix="check the name")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, TypeError, EOFError, NotImplementedError, BadZipFile, zlib.error) as error:
        raise InputError(f"the images cannot be read ({error})", file=path, fix=FIX) from error
    return from_arrays(arrays, os.fspath(path))


def from_arrays(arrays: Mapping[str, np.ndarray], source: str) -> Loaded:
    """Pictures, perhaps with labels, perhaps in parts.

    | arrays | what |
    |---|---|
    | `images` or `x` | `(n, h, w)`, `(n, h, w, c)` or `(n, c, h, w)`; 1 to 4 channels |
    | `labels` or `y` | `(n,)` whole numbers or names; may be absent |
    | `x_train`, `y_train`, `x_test`, `y_test`, `x_val`, `y_val` | the same by parts |
    | `names` | `(n,)`: of the pictures; else, one a label from 0, of the classes |
    | any other `(n,)` or `(n, k)` of numbers, or `(n,)` of names | a column of what is trained on |

    Pixels are uint8 in [0, 255], or floating point in [0, 1]; uint8 (or truth values) of 0 and 1 alone are black and
    white. Floating point in steps of 1/255 becomes uint8, which is the same; all else stays as it is. So do the numbers
    of columns (a domain, an angle, attributes); names are numbered in their order.

    Args:
        arrays: By name.
        source: What to call them.

    Raises:
        InputError: Shapes that do not fit, pixels outside their range, one class only, a number that is missing.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> pictures = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
        >>> arrays = {"x": pictures, "y": np.array([1, 0, 1, 0]), "names": np.array(["cat", "dog"])}
        >>> loaded = from_arrays(arrays, "memory")
        >>> loaded.data.classes, loaded.data.columns["label"].tolist(), tuple(loaded.data.anchors.tensor.shape)
        (('cat', 'dog'), [1, 0, 1, 0], (4, 3, 8, 8))
    """
    left = dict(arrays)
    notes = list[str]()
    by_part: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for part, names in PARTS.items():
        for name in names:
            if part not in by_part and (images := _take(left, [f"{each}_{name}" for each in IMAGES])) is not None:
                by_part[part] = images, _take(left, [f"{each}_{name}" for each in LABELS])
    if "train" not in by_part:
        if (images := _take(left, IMAGES)) is None:
            there = f" (there is {', '.join(arrays)})" if arrays else ""
            raise InputError(f"no array 'images'{there}", file=source, fix=FIX)
        by_part["train"] = images, _take(left, LABELS)
    n = len(by_part["train"][0])
    given = left.pop("names", None)
    of_classes = given is not None and given.shape != (n,)
    pictures = [_pixels(images, source, notes) for images, _ in by_part.values()]
    classes, numbers = _numbered([labels for _, labels in by_part.values()], pictures, source)
    if of_classes and given is not None:
        classes = _named(classes, given, n, source)
    columns = {}
    for name in list(left):
        if _is_column(left[name], n):
            columns[name] = _column(name, left.pop(name), source)
    if columns:
        notes.append("columns: " + ", ".join(map(repr, columns)))
    if left:
        notes.append("not read: " + ", ".join(map(repr, left)))
    data = {}
    for (part, _), pixels, label in zip(by_part.items(), pictures, numbers, strict=True):
        train = part == "train"
        names = tuple(map(str, given)) if given is not None and train and not of_classes else ()
        known = ({} if label is None else {"label": label}) | (columns if train else {})
        data[part] = Data.alone(Items("image", pixels, names), source=source, classes=classes, **known)
    return Loaded(
        "pictures", data["train"], source, data.get("dev"), data.get("test"), notes=tuple(dict.fromkeys(notes))
    )


def _take(arrays: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray | None:
    return next((arrays.pop(name) for name in names if name in arrays), None)


def columns_of_cells(cells: Mapping[str, Sequence[Any]], source: str) -> dict[str, Tensor]:
    """The columns of a table that are numbers, rows of as many numbers, or names that come back.

    As an array of that name would be: numbers as they are, names by their numbers. What has missing values, or is
    different in more than half of the rows, such as an address, is no such column.

    Args:
        cells: Column -> its cells, one a row.
        source: What to call the table.

    Examples:
        >>> columns_of_cells({"angle": ["0.5", "2"], "domain": ["b", "b"], "url": ["x", "y"], "age": [3, None]}, "t")
        {'angle': tensor([0.5000, 2.0000]), 'domain': tensor([0, 0])}
    """
    found = {}
    for name, column in cells.items():
        values = _array_of(column)
        if values is None or not _is_column(values, len(column)):
            continue
        if values.dtype.kind not in "US" or 2 * len(np.unique(values)) <= len(values):
            found[name] = _column(name, values, source)
    return found


def _array_of(cells: Sequence[Any]) -> np.ndarray | None:
    if any(cell is None or cell == "" for cell in cells if not isinstance(cell, np.ndarray | list)):
        return None
    try:
        values = np.asarray(cells)
    except ValueError:  # rows of different lengths
        return None
    if values.dtype.kind == "U":
        for kind in (np.int64, np.float64):
            try:
                numbers = values.astype(kind)
            except (ValueError, OverflowError):
                continue
            return numbers if np.isfinite(numbers).all() else None
    if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
        return None  # a tensor would hold another number
    return None if values.dtype.kind == "f" and not np.isfinite(values).all() else values


def _is_column(values: np.ndarray, n: int) -> bool:
    """Names or numbers, one a picture, or several numbers."""
    return (values.shape == (n,) and values.dtype.kind in "biufUS") or (
        values.ndim == 2 and len(values) == n and values.dtype.kind in "biuf"
    )


def _column(name: str, values: np.ndarray, source: str) -> Shaped[Tensor, "n ..."]:
    """Numbers as they are, names by their numbers."""
    if values.dtype.kind in "US":
        return torch.from_numpy(np.unique(values, return_inverse=True)[1]).long()
    if values.dtype.kind != "f":
        return torch.from_numpy(values.astype(np.int64))
    if len(missing := np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(1))):
        raise InputError(f"{name!r} is no number", file=source, line=int(missing[0]) + 1, fix="give each picture one")
    return torch.from_numpy(values.astype(np.float32))


def _pixels(images: np.ndarray, source: str, notes: list[str]) -> Shaped[Tensor, "n c h w"]:
    shape = images.shape
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] > 4 >= images.shape[3]:
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] > 4 or not images.size:
        raise InputError(f"images of shape {shape} do not fit", file=source, fix="give (n, h, w) or (n, h, w, c)")
    if images.dtype.kind not in "fub" or (images.dtype.kind == "u" and images.dtype != np.uint8):
        raise InputError(f"images of type {images.dtype}", file=source, fix="give uint8, or floating point from 0 to 1")
    if images.dtype.kind == "f":
        pixels = torch.from_numpy(images.astype(np.float32))
        if not (bool(pixels.isfinite().all()) and float(pixels.min()) >= 0 and float(pixels.max()) <= 1):
            raise InputError("pixels are outside their range", file=source, fix="give uint8, or floats from 0 to 1")
        return exact(pixels)
    whole = torch.from_numpy(np.ascontiguousarray(images, np.uint8))
    if int(whole.max()) == 1:
        notes.append("0 and 1 are black and white")
        return whole * 255
    return whole


def exact(pixels: Shaped[Tensor, "n c h w"]) -> Shaped[Tensor, "n c h w"]:
    """Floating point from 0 to 1 as uint8, where that is the same; else as it is.

    Examples:
        >>> exact(torch.tensor([0.0, 1.0])).dtype, exact(torch.tensor([0.0, 1 / 16])).dtype
        (torch.uint8, torch.float32)
    """
    whole = (pixels * 255).round_().to(torch.uint8)
    return whole if bool((whole.float() / 255 == pixels).all()) else pixels


def _numbered(
    labels: Sequence[np.ndarray | None], pictures: Sequence[Tensor], source: str
) -> tuple[tuple[str, ...], Sequence[Tensor | None]]:
    """The classes of all parts, and the number of each picture's."""
    for label, pixels in zip(labels, pictures, strict=True):
        if label is not None and label.shape != (len(pixels),):
            what = f"images of shape {tuple(pixels.shape)} and labels of shape {label.shape} do not fit"
            raise InputError(what, file=source, fix=FIX)
    given = [label for label in labels if label is not None]
    if not given:
        return (), [None] * len(labels)
    if len(given) < len(labels):
        raise InputError("some parts have labels and some have none", file=source, fix="give all or none")
    return number_labels(given, source)


def number_labels(parts: Sequence[np.ndarray], source: str) -> tuple[tuple[str, ...], list[Tensor]]:
    """The different labels of all parts in order, and the number of each, part by part.

    Raises:
        InputError: All labels of the first part, which is trained on, are the same.

    Examples:
        >>> number_labels([np.array(["cat", "ant"]), np.array(["cat"])], "memory")
        (('ant', 'cat'), [tensor([1, 0]), tensor([1])])
    """
    for part in parts:
        # a missing value is None, or differs from itself
        if missing := [row for row, label in enumerate(part.tolist(), 1) if label is None or label != label]:
            raise InputError("the label is missing", file=source, line=missing[0], fix="give each picture its label")
    if len(np.unique(parts[0])) < 2:
        raise InputError("the labels are all the same", file=source, fix="give two classes or more")
    classes, number = np.unique(np.concatenate(parts), return_inverse=True)
    return tuple(map(str, classes)), list(torch.from_numpy(number).long().split([len(part) for part in parts]))


def _named(classes: tuple[str, ...], names: np.ndarray, n: int, source: str) -> tuple[str, ...]:
    """Names in place of numbers from 0."""
    numbers = [int(each) if each.isdecimal() else -1 for each in classes]
    if names.ndim != 1 or not classes or not all(0 <= number < len(names) for number in numbers):
        what = f"{n:,} images and {names.size:,} names, which are not those of the classes {', '.join(classes[:9])}"
        raise InputError(what, file=source, fix="give one an image, or one a class from 0")
    return tuple(str(names[number]) for number in numbers)
