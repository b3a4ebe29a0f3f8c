"""Pictures in a folder: in one folder a class, all in one, or in folders `train` and `test` of these."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from counterpoint.data.arrays import number_labels
from counterpoint.data.decoding import SUFFIXES, Encoded, decode, is_picture
from counterpoint.data.items import Data, Items
from counterpoint.data.loaded import Loaded
from counterpoint.data.reading import Reading
from counterpoint.data.tables import FORMATS, suffix
from counterpoint.data.types import PARTS, Rejects
from counterpoint.errors import InputError

FIX = "give a folder of pictures, or one with one folder of pictures a class"
_ABOUT = {"readme", "license", "licence", "notice", "copying", "citation", "changelog"}


def load_folder(folder: Path, reading: Reading = Reading()) -> Loaded:
    """Pictures of a folder, named by their files: `CLASS/FILE`, or `FILE` where they have no classes.

    Folders `train` and `test` (and perhaps `valid`), each of either kind, are the parts.

    Args:
        folder: The folder; what is hidden, and what is no picture by its name, is not read.
        reading: Of which `size`, `skip_bad` and `progress` (pictures decoded) count.

    Raises:
        InputError: No pictures, pictures of no class beside classes, one class only, texts beside pictures, or a
            picture that cannot be read.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("cat", "dog"):
        ...     (folder / name).mkdir()
        ...     Image.new("RGB", (8, 8), "red").save(folder / name / "a.png")
        >>> loaded = load_folder(folder)
        >>> loaded.data.anchors.names, loaded.data.classes
        (('cat/a.png', 'dog/a.png'), ('cat', 'dog'))
    """
    reject = reading.rejects(os.fspath(folder))
    found = {part: _listed(each, folder, reject) for part, each in part_folders(folder).items()}
    listing = [(part, file, label) for part, each in found.items() for file, label in each.files]
    if not listing:
        deep = next((file for file in sorted(folder.rglob("*")) if is_picture(file.relative_to(folder))), None)
        fix = f"give the folder above {deep.parent}" if deep else FIX
        raise InputError("no pictures in it or its folders", file=folder, fix=fix)
    labelled = all(label for _, _, label in listing)
    if not labelled and any(label for _, _, label in listing):
        raise InputError("some parts have classes and some have none", file=folder, fix=FIX)
    if labelled:
        # said before all is decoded, which takes long
        number_labels([np.array([label for part, _, label in listing if part == "train"])], os.fspath(folder))
    whole = decode(
        lambda: (Encoded(file, os.fspath(file)) for _, file, _ in listing),
        os.fspath(folder),
        size=reading.size,
        reject=reject,
        progress=reading.progress,
    )
    listing = [each for each, kept in zip(listing, whole.kept.tolist(), strict=True) if kept]
    rows = {part: [i for i, each in enumerate(listing) if each[0] == part] for part in found}
    if not rows["train"]:
        raise InputError("no picture to train on can be read", file=folder, fix="replace them")
    labels = [np.array([listing[i][2] for i in each]) for each in rows.values() if each]
    classes, numbers = number_labels(labels, os.fspath(folder)) if labelled else ((), [])
    data = {}
    for i, (part, each) in enumerate((part, each) for part, each in rows.items() if each):
        # a file's name need not be text
        names = [listing[row][1].relative_to(folder).as_posix().encode("utf-8", "replace").decode() for row in each]
        items = Items("image", whole.pixels[torch.tensor(each)] if len(found) > 1 else whole.pixels, tuple(names))
        columns = {"label": numbers[i]} if labelled else {}
        data[part] = Data.alone(items, source=os.fspath(folder), classes=classes, **columns)
    other = [name for each in found.values() for name in each.others]
    unread = (f"not read: {len(other):,} that are no pictures by their names (such as {other[0]})",) if other else ()
    return Loaded(
        "pictures",
        data["train"],
        os.fspath(folder),
        data.get("dev"),
        data.get("test"),
        notes=(*whole.notes, *unread),
        rejected=reject.rows,
    )


@dataclass
class _Listing:
    """The pictures of a folder, each with its class (""; none), and what else there is."""

    files: list[tuple[Path, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def part_folders(folder: Path) -> dict[str, Path]:
    """The folders of the parts, by any of their names; the folder itself, if there are none."""
    part_of = {name: part for part, names in PARTS.items() for name in names}
    inside = [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")]
    found = {part_of.get(each.name.lower(), each.name): each for each in inside}
    named = found.keys() <= PARTS.keys() and {"train"} < found.keys() and len(found) == len(inside)
    return {part: found[part] for part in PARTS if part in found} if named else {"train": folder}


def _listed(folder: Path, root: Path, reject: Rejects) -> _Listing:
    listing, flat = _Listing(), list[Path]()
    for file in _visible(folder):
        if file.is_dir():
            for each in _visible(file):
                if each.suffix.lower() in SUFFIXES and each.is_file():
                    listing.files.append((each, file.name))
                else:
                    listing.others.append(each.relative_to(root).as_posix())
        elif file.suffix.lower() in SUFFIXES:
            flat.append(file)
        elif suffix(file) in FORMATS and file.name.split(".")[0].lower() not in _ABOUT:
            fix = "move it away, or name it captions.tsv if it says what the pictures show"
            reject.at(file)("texts beside pictures", 0, file.name, fix)
        else:
            listing.others.append(file.relative_to(root).as_posix())
    if listing.files:
        for file in flat:
            reject.at(file)("a picture of no class beside folders of classes", 0, file.name, "put it into one of them")
    else:
        listing.files = [(file, "") for file in flat]
    return listing


def _visible(folder: Path) -> Iterator[Path]:
    return (each for each in sorted(folder.iterdir()) if not each.name.startswith("."))


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture in a folder or, two folders down at the most, in one of its own.

    Examples:
        >>> holds_pictures(Path("src"))
        False
    """
    return any(is_picture(file.relative_to(folder)) for depth in ("*", "*/*", "*/*/*") for file in folder.glob(depth))
