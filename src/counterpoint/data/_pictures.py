"""From pictures of any size, in folders or datasets, to pixels of one size."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from counterpoint.data.images import Images, labelled
from counterpoint.errors import InputError, MissingExtra

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
LARGEST = 96
FIX = "give a folder with one folder of pictures a class"


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


def from_folder(folder: Path, size: int | None) -> Images:
    """Pictures in one folder a class."""
    files = [file for file in sorted(folder.glob("*/*")) if _is_picture(file.relative_to(folder))]
    names = [file.relative_to(folder).as_posix() for file in files]
    return _read(folder, names, [file.parent.name for file in files], files.__getitem__, size)


def from_saved(folder: Path, size: int | None) -> Images:
    """A dataset that `datasets.save_to_disk` wrote; of several splits "train"."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", extra="hub") from None
    try:
        data = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the dataset cannot be read ({error})", file=folder, fix="save it again") from error
    if isinstance(data, datasets.DatasetDict):
        if "train" not in data:
            raise InputError(f"no split 'train' (there is {', '.join(data)})", file=folder, fix="give a split's folder")
        data = data["train"]
    images = [name for name, feature in data.features.items() if isinstance(feature, datasets.Image)]
    labels = [name for name, feature in data.features.items() if isinstance(feature, datasets.ClassLabel)]
    if not images or not labels:
        raise InputError("no column of pictures and of class labels", file=folder, fix="cast them to Image, ClassLabel")
    # as files, so that they are decoded here, with its limits
    files = data.select_columns(images[0]).cast_column(images[0], datasets.Image(decode=False))

    def content(row: int) -> Path | bytes:
        file = files[row][images[0]]
        return Path(file["path"]) if file["bytes"] is None else bytes(file["bytes"])

    label_n = list(data[labels[0]])
    # the hub's test splits have -1 where the label is kept secret
    if bad := [row for row, label in enumerate(label_n) if label is None or label < 0]:
        raise InputError(f"{len(bad)} pictures have no label, row {bad[0]} is one", file=folder, fix="leave them out")
    classes = data.features[labels[0]].names
    names = [f"row {row}" for row in range(len(data))]
    return _read(folder, names, [classes[label] for label in label_n], content, size)


def is_saved(folder: Path) -> bool:
    """Whether `datasets.save_to_disk` wrote the folder."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


def holds_pictures(folder: Path) -> bool:
    """Whether `from_folder` or `from_saved` find pictures there."""
    if not is_saved(folder):
        return any(_is_picture(file.relative_to(folder)) for file in folder.glob("*/*"))
    for info in (*folder.glob("dataset_info.json"), *folder.glob("*/dataset_info.json")):
        with contextlib.suppress(ValueError, AttributeError):
            features = json.loads(info.read_text("utf-8")).get("features", {})
            if any(isinstance(feature, dict) and feature.get("_type") == "Image" for feature in features.values()):
                return True
    return False


def _is_picture(file: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.parts)
    return file.suffix.lower() in SUFFIXES and not hidden


def _read(
    folder: Path,
    names: Sequence[str],
    labels: Sequence[str],
    content: Callable[[int], Path | bytes],
    size: int | None,
) -> Images:
    if size is not None and size < 1:
        raise InputError(f"no pictures of {size} pixels", fix="use 32")
    found, grey = set(), True
    for row, name in enumerate(names):
        with _opened(folder / name, content(row)) as picture:
            if picture.mode.startswith(("I", "F")):
                raise InputError(f"more than 8 bits a channel (mode {picture.mode})", file=folder / name, fix="save 8")
            found.add(picture.size)
            grey = grey and picture.mode in ("1", "L")
    if not found:
        raise InputError("no pictures in its folders", file=folder, fix=FIX)
    shape = next(iter(found))
    if size is not None or len(found) > 1 or max(shape) > LARGEST:
        shape = (size or min(LARGEST, *(min(each) for each in found)),) * 2
    array = np.empty((len(names), 1 if grey else 3, shape[1], shape[0]), np.uint8)
    for row, name in enumerate(names):
        with _opened(folder / name, content(row)) as picture:
            array[row] = pixels(ImageOps.exif_transpose(picture), shape, array.shape[1])
    return labelled(torch.from_numpy(array).float() / 255, np.array(labels), str(folder), tuple(names))


@contextlib.contextmanager
def _opened(name: Path, content: Path | bytes) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        # what is odd in a file and does no harm; but a file that unpacks to gigabytes does
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(content if isinstance(content, Path) else io.BytesIO(content), formats=FORMATS) as picture:
                yield picture
        except InputError:
            raise
        except UnidentifiedImageError as error:
            known = ", ".join(FORMATS)
            raise InputError("not a picture", file=name, fix=f"remove it, or save it as one of {known}") from error
        except Exception as error:  # decoders raise whatever they stumble over
            raise InputError(f"the picture cannot be read ({error})", file=name, fix="replace or remove it") from error
