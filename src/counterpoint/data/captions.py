"""Captions: files that name pictures beside them and say what they show."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from counterpoint.data.build import BadRowError
from counterpoint.data.decoding import is_picture
from counterpoint.data.lines import read_lines
from counterpoint.data.loaded import Loaded
from counterpoint.data.picture_tables import IMAGE_NAMES, LABEL_NAMES, TEXT_NAMES, Find, Open, load_picture_table
from counterpoint.data.pictures import part_folders
from counterpoint.data.reading import Reading
from counterpoint.data.schema import ColumnMap
from counterpoint.data.tables import FORMATS, read_table, suffix
from counterpoint.data.types import Rejects
from counterpoint.errors import InputError

CAPTION_FILES = ("captions", "metadata")
"""What a file is called that says what the pictures beside it show."""
FOLDERS = ("images", "Images")
"""Where else its pictures may be."""


def is_caption_file(file: Path) -> bool:
    """Whether a file says what the pictures beside it show, by its name."""
    return file.name.lower().removesuffix(".gz").removesuffix(suffix(file)) in CAPTION_FILES and suffix(file) in FORMATS


def caption_file(folder: Path) -> Path | None:
    """The file of captions in a folder.

    Raises:
        InputError: There are two.
    """
    found = [file for file in sorted(folder.iterdir()) if file.is_file() and is_caption_file(file)]
    if len(found) > 1:
        both = f"{found[0].name} and {found[1].name} both say what the pictures show"
        raise InputError(both, file=folder, fix="remove one of them")
    return found[0] if found else None


def open_captions(file: Path, columns: ColumnMap, *, ahead: bool = True) -> Open:
    """A file of names of pictures and more; a text file has its fields between tabs or commas."""
    form = None
    if FORMATS.get(suffix(file)) == "text":
        first = next((line for _, line in read_lines(file, Rejects("", skip=True)) if line.strip()), "")
        form = "tsv" if "\t" in first else "csv"
    given = [v for v in columns.values() if isinstance(v, str) and not v.isdecimal()]
    known = [*IMAGE_NAMES, *TEXT_NAMES, *LABEL_NAMES, *given]
    return lambda reject: read_table(file, reject, known, form=form, ahead=ahead)


def beside(file: Path) -> Find:
    """Finds pictures beside a file, in a folder `images` there, or in a tar of the file's name; never elsewhere.

    What is found raises `BadRowError` at a name that would leave the folder.
    """
    folders = [file.parent, *(file.parent / name for name in FOLDERS)]
    stem = file.name.removesuffix(".gz").removesuffix(Path(file.name.removesuffix(".gz")).suffix)
    tar = file.parent / f"{stem}.tar"
    members: dict[str, tuple[int, int]] = {}
    if tar.is_file():
        try:
            with tarfile.open(tar, "r:") as archive:
                members = {m.name.removeprefix("./"): (m.offset_data, m.size) for m in archive if m.isreg()}
        except (tarfile.TarError, OSError) as error:
            raise InputError(f"the archive cannot be read ({error})", file=tar, fix="fetch it again") from error

    def find(name: str) -> Path | bytes | None:
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise BadRowError(f"the picture {name!r} is outside the folder")
        if name in members:
            offset, size = members[name]
            with tar.open("rb") as raw:
                raw.seek(offset)
                return raw.read(size)
        try:
            return next((folder / name for folder in folders if (folder / name).is_file()), None)
        except OSError:  # longer than a name may be
            return None

    return find


def caption_files(folder: Path) -> dict[str, Path]:
    """The file of captions in a folder, or in each of its folders `train`, `dev` and `test`.

    Raises:
        InputError: There are two in one.
    """
    parts = {part: file for part, each in part_folders(folder).items() if (file := caption_file(each))}
    return parts if "train" in parts else {}


def load_captions(files: Mapping[str, Path], source: str, reading: Reading) -> Loaded:
    """Files that name pictures beside them (`beside`), and say what they show; `reading` as `load_picture_table`."""
    parts = {
        part: (open_captions(file, reading.columns), beside(file), os.fspath(file)) for part, file in files.items()
    }
    captions = all(map(is_caption_file, files.values()))
    loaded = load_picture_table(parts, source, reading, texts=captions)
    if not captions:
        return loaded
    unread = 0
    for part, file in files.items():
        data = {"train": loaded.data, "dev": loaded.dev, "test": loaded.test}[part]
        named = {*(data.anchors.names if data else ()), *(str(bad.row) for bad in loaded.rejected)}
        for depth in ("*", *(f"{name}/*" for name in FOLDERS)):
            there = (each.relative_to(file.parent) for each in file.parent.glob(depth))
            unread += sum(is_picture(each) and not {each.as_posix(), each.name} & named for each in there)
    notes = (f"pictures that no row names: {unread:,}",) if unread else ()
    return replace(loaded, notes=(*loaded.notes, *notes))
