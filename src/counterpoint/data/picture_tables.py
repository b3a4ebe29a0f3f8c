"""Tables with a column of pictures: captions of the files of a folder, datasets that hold the pictures themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from PIL import Image

from counterpoint.data.arrays import columns_of_cells, number_labels
from counterpoint.data.build import BadRowError, label_of, texts_of
from counterpoint.data.decoding import SUFFIXES, Encoded, decode
from counterpoint.data.items import Data, Items
from counterpoint.data.jsonrows import type_name
from counterpoint.data.loaded import Loaded, SourceKind
from counterpoint.data.reading import Reading
from counterpoint.data.schema import GENERIC, NAMES, ColumnMap, Columns, given_roles, kind, missing
from counterpoint.data.tables import Row, Table, nothing_read, plain
from counterpoint.data.types import Rejects
from counterpoint.errors import InputError

IMAGE_NAMES = (
    *("image", "images", "picture", "photo", "img", "image_path", "image_file", "image_name", "file_name"),
    *("filename", "filepath", "path", "file"),
)
TEXT_NAMES = ("caption", "captions", *GENERIC, "sentences", "texts", "description", "alt_text", "title")
LABEL_NAMES = (*NAMES["label"], "category")
ROLES = ("image", "text", "label")
_TAKEN = {"label", "labels", "score", "sample", "view", "input", "partner", "source"}
"""What training itself calls columns."""
_PLAIN = (str, int, float, list, tuple, np.generic, np.ndarray)

Open = Callable[[Rejects], Table]
"""Opens the table anew: it is gone through more than once, since pictures are not kept encoded."""
Find = Callable[[str], "Path | bytes | None"]
"""The picture of a name, if there is one."""


def load_picture_table(
    parts: Mapping[str, tuple[Open, Find, str]], source: str, reading: Reading, *, texts: bool = False
) -> Loaded:
    """Pictures with texts, with labels, or alone, by the columns of a table.

    Each picture with each of its texts is a row, so that training sees one caption at a time and an epoch all of them;
    `split_data` keeps the rows of a picture together. Equal pictures (bytes) and equal texts are one item. Further
    columns of numbers, or of names that come back, are columns (`columns_of_cells`); what is not read is noted.

    Args:
        parts: "train", "dev" and "test" -> the table, where its pictures are found by name, and the file to name in an
            error. A dev or test part whose labels are kept secret is not read, and that is noted.
        source: What to call it.
        reading: Of which `columns` (roles image, text, label), `size`, `skip_bad` and `progress` (pictures decoded)
            count.
        texts: Where there are texts and labels, and no role says which, read the texts.

    Raises:
        InputError: No column of pictures; a row whose picture is not there, lies outside the folder or cannot be read,
            or that has no text or no label; one class only.
    """
    reject = reading.rejects(source)
    listing = _Listing()
    read: dict[str, tuple[Open, Find, str]] = {}
    for part, (open_table, find, file) in parts.items():
        table = open_table(reject.at(file))
        roles = picture_roles(table, file, reading.columns, texts)
        if part != "train" and "label" in roles and all(row.get(roles["label"][0]) is None for row in table.sample):
            listing.notes[f"the {part} part has no labels, not read"] = None
            continue
        read[part] = open_table, find, file
        listing.read(part, table, roles, find, reject.at(file))

    trained = [row.label for row in listing.rows if row.part == "train"]
    if "label" in listing.said and trained:
        # said before all is decoded, which takes long
        number_labels([np.array(trained)], source)

    def pictures() -> Iterator[Encoded]:
        for part, (open_table, find, file) in read.items():
            yield from listing.encoded(part, open_table, find, file)

    whole = decode(pictures, source, size=reading.size, reject=reject, progress=reading.progress)
    place = torch.where(whole.kept, whole.kept.cumsum(0) - 1, -1).tolist()
    rows: dict[str, list[_Row]] = {part: [] for part in read}
    for row in listing.rows:
        if place[row.picture] >= 0:
            rows[row.part].append(row)
        elif row.line != listing.firsts[row.picture].line or row.part != listing.firsts[row.picture].part:
            reject.at(read[row.part][2])("its picture cannot be read", row.line, row.text or row.label)
    if not rows.get("train"):
        raise InputError(nothing_read(reject, "no row to train on"), file=source, fix="check the columns")
    there = {part: each for part, each in rows.items() if each}
    labelled = "label" in listing.said
    classes, numbers = (
        number_labels([np.array([row.label for row in each]) for each in there.values()], source)
        if labelled
        else ((), [])
    )
    every = [row for each in there.values() for row in each]
    cells = {name: [row.further.get(name) for row in every] for name in listing.further if name not in _TAKEN}
    columns = columns_of_cells(cells, source)
    for how, named in (
        ("columns", [*columns]),
        ("not read", [name for name in listing.further if name not in columns]),
    ):
        if named:
            listing.notes[f"{how}: " + ", ".join(map(repr, named))] = None
    data, start = {}, 0
    for i, (part, each) in enumerate(there.items()):
        # of the items only those of the part
        picture = {p: k for k, p in enumerate(dict.fromkeys(row.picture for row in each))}
        text = {t: k for k, t in enumerate(dict.fromkeys(row.text for row in each))}
        all_of_them = len(picture) == len(whole.pixels)
        pixels = whole.pixels if all_of_them else whole.pixels[torch.tensor([place[p] for p in picture])]
        items = Items("image", pixels, tuple(listing.firsts[p].name for p in picture))
        anchor = torch.tensor([picture[row.picture] for row in each])
        known = {name: column[start : start + len(each)] for name, column in columns.items()}
        known |= {"label": numbers[i]} if labelled else {}
        start += len(each)
        data[part] = Data(items, anchor, columns=known, source=source, classes=classes)
        if "text" in listing.said:
            positives = torch.tensor([[text[row.text]] for row in each])
            data[part] = replace(data[part], others=Items("text", list(text)), positives=positives)
    said: SourceKind = "pictures with texts" if "text" in listing.said else "pictures"
    notes = (*listing.notes, *whole.notes)
    return Loaded(said, data["train"], source, data.get("dev"), data.get("test"), listing.said, notes, reject.rows)


@dataclass(frozen=True, slots=True)
class _Row:
    """A picture, by its number, with a text or a label, and what else its row says."""

    picture: int
    part: str
    line: int
    text: str = ""
    label: str = ""
    further: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _First:
    """Where a picture first occurs, and what it is called."""

    part: str
    line: int
    name: str


@dataclass
class _Listing:
    """Which pictures there are, and the rows that speak of them."""

    numbers: dict[str | bytes, int] = field(default_factory=dict)
    firsts: list[_First] = field(default_factory=list)
    rows: list[_Row] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    further: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def read(self, part: str, table: Table, roles: Columns, find: Find, reject: Rejects) -> None:
        """The rows of a part."""
        columns_of = {role: column for role, (column,) in roles.items()}
        if self.said and self.said.keys() != columns_of.keys():
            what = f"columns for {', '.join(columns_of)}, and in another part for {', '.join(self.said)}"
            raise InputError(what, file=reject.file, fix="give all parts the same")
        self.said |= columns_of
        self.images[part] = columns_of["image"]
        self.notes |= dict.fromkeys(table.notes)
        further = dict.fromkeys(column for column in table.columns if (column,) not in roles.values())
        self.further |= further
        for line, row in table.rows:
            cell = row.get(columns_of["image"])
            try:
                texts = _texts(row, columns_of["text"]) if "text" in columns_of else ("",)
                label = label_of(row.get(columns_of["label"]), columns_of["label"]) if "label" in columns_of else ""
                key = _key(cell, columns_of["image"], find)
            except BadRowError as bad:
                reject(str(bad), line, _name(cell, line))
                continue
            if key not in self.numbers:
                self.numbers[key] = len(self.numbers)
                self.firsts.append(_First(part, line, _name(cell, line)))
            # pictures among them are not kept: they would fill the memory
            known = {name: cell for name in further if isinstance(cell := row.get(name), _PLAIN)}
            self.rows += [_Row(self.numbers[key], part, line, text, label, known) for text in texts]

    def encoded(self, part: str, open_table: Open, find: Find, file: str) -> Iterator[Encoded]:
        """The pictures that first occur in a part."""
        mine = iter([first for first in self.firsts if first.part == part])
        first = next(mine, None)
        for line, row in open_table(Rejects(file, skip=True)).rows if first else ():
            if first is None:
                return
            if line == first.line:
                content = _content(row.get(self.images[part]), find)
                assert content is not None  # it was there before
                yield Encoded(content, file, line, first.name)
                first = next(mine, None)


def picture_roles(table: Table, file: str, columns: ColumnMap, texts: bool = False) -> Columns:
    """Which column has the pictures, and which the texts or the labels, if any.

    Args:
        table: Its `columns` and `sample` are looked at.
        file: What to name in an error.
        columns: What the caller says.
        texts: Read texts rather than labels, where there are both.

    Raises:
        InputError: No column of pictures.
    """
    roles = given_roles(table, file, columns, ROLES, {})
    roles = {role: columns[:1] for role, columns in roles.items()}
    by_name = {plain(column): column for column in reversed(table.columns)}
    cells = {column: [row.get(column) for row in table.sample] for column in table.columns}
    if "image" not in roles:
        named = [by_name[name] for name in IMAGE_NAMES if name in by_name]
        hits = [column for column in (*named, *table.columns) if shows(cells[column])]
        if not hits:
            missing("image", table, file)
        roles["image"] = (hits[0],)
    free = [column for column in table.columns if (column,) != roles["image"]]
    text = next((by_name[name] for name in TEXT_NAMES if by_name.get(name) in free), None)
    label = next((column for column in (*table.labels, *map(by_name.get, LABEL_NAMES)) if column in free), None)
    if not table.named and len(free) == 1:
        text, label = (free[0], None) if kind(cells[free[0]]) in ("text", "list") else (None, free[0])
    if "text" in roles or "label" in roles:
        return roles
    if text is not None and (label is None or texts):
        return {**roles, "text": (text,)}
    return roles if label is None else {**roles, "label": (label,)}


def shows(cells: list[Any]) -> bool:
    """Whether a column holds pictures: their bytes, or for the most part names of files.

    Examples:
        >>> shows(["a.png", "b/c.JPG"]), shows([{"bytes": b"GIF89a", "path": None}]), shows(["a cat", "a dog"])
        (True, True, False)
    """
    there = [cell for cell in cells if cell is not None]
    return bool(there) and sum(_is_cell(cell) for cell in there) > len(there) / 2


def _is_cell(cell: Any) -> bool:
    if isinstance(cell, str):
        return "://" not in cell and PurePath(cell).suffix.lower() in SUFFIXES
    return isinstance(cell, Image.Image) or (isinstance(cell, dict) and {"bytes", "path"} <= cell.keys())


def _texts(row: Row, column: str) -> tuple[str, ...]:
    if texts := texts_of(row, (column,), None):
        return texts
    raise BadRowError(f"column {column!r} is empty")


def _key(cell: Any, column: str, find: Find) -> str | bytes:
    """What tells a picture from others.

    Raises:
        BadRowError: It is not there, or may not be looked for.
    """
    content = _content(cell, find)
    if isinstance(content, Path):
        return content.as_posix()
    if isinstance(content, Image.Image):
        return blake2b(f"{content.mode}{content.size}".encode() + content.tobytes(), digest_size=16).digest()
    if content is not None:
        return blake2b(content, digest_size=16).digest()
    name = cell.get("path") if isinstance(cell, dict) else cell
    if name is None or name == "":
        raise BadRowError(f"column {column!r} is empty")
    if not isinstance(name, str):
        raise BadRowError(f"column {column!r} holds {type_name(cell)} where a picture belongs")
    raise BadRowError(f"the picture {name!r} is not there")


def _content(cell: Any, find: Find) -> Path | bytes | Image.Image | None:
    if isinstance(cell, dict):
        content, cell = cell.get("bytes"), cell.get("path")
        if isinstance(content, bytes):
            return content
    if isinstance(cell, Image.Image):
        return cell
    return find(cell) if isinstance(cell, str) and cell else None


def _name(cell: Any, line: int) -> str:
    return cell if isinstance(cell, str) else f"row {line}"
