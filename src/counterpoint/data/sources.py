"""`load_source`: from a source of any kind to rows over items."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterpoint.data.arrays import read_arrays
from counterpoint.data.build import BadRowError
from counterpoint.data.captions import beside, caption_files, is_caption_file, load_captions, open_captions
from counterpoint.data.hub import (
    by_part,
    dataset_kinds,
    dataset_table,
    is_saved,
    load_hub,
    read_saved,
    saved_features,
    saved_splits,
)
from counterpoint.data.images import NAMED
from counterpoint.data.layouts import find, read
from counterpoint.data.loaded import Loaded, SourceKind
from counterpoint.data.memory import load_datasets, load_memory
from counterpoint.data.picture_tables import ROLES, Open, load_picture_table, picture_roles, shows
from counterpoint.data.pictures import holds_pictures, load_folder
from counterpoint.data.reading import Reading
from counterpoint.data.row_splits import kept_apart
from counterpoint.data.rows import judged_rows, rows_of
from counterpoint.data.schema import ColumnMap
from counterpoint.data.tables import FORMATS, Table, suffix
from counterpoint.data.triples import load_triples, open_triples, part_files, seems_triples
from counterpoint.data.types import Progress, Rejects, Retrieval
from counterpoint.errors import InputError


def source_kind(source: Any, columns: ColumnMap | None = None) -> SourceKind:
    """What a source holds, by its name, its files and the first rows of one; it is not read whole.

    Args:
        source: As `load_source`. What is not there, or is of no known layout, counts as texts, whose reader says so.
        columns: As `load_source`: roles tell a kind, too.

    Examples:
        >>> source_kind("digits"), source_kind("pictures.npz"), source_kind("nowhere.tsv")
        ('pictures', 'pictures', 'texts')
    """
    columns = columns or {}
    if not isinstance(source, str | os.PathLike):
        return load_memory(source, Reading(columns)).kind
    name, path = os.fspath(source), Path(source)
    if name in NAMED or path.suffix.lower() == ".npz":
        return "pictures"
    if name.startswith("hf:"):
        splits, split = load_hub(name)
        data = splits[split] if split is not None and split in splits else next(iter(splits.values()))
        return _by_roles(dataset_table(data, name, Rejects(name)), name, columns) if _shown(data) else "texts"
    if not path.exists():
        return "texts"
    return _folder_kind(path, columns) if path.is_dir() else _file_kind(path, columns)


def load_source(
    source: Any,
    *,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    split: str | None = None,
    size: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Loaded:
    """Read a source of any kind as rows over items, and check every row.

    | source | what it is |
    |---|---|
    | whatever `read` takes | texts |
    | `digits`, `glyphs`, `emoji` | labelled pictures that need no file |
    | `.npz` | arrays of pictures, perhaps labelled, perhaps in parts (`from_arrays`) |
    | a folder of pictures, or of folders of pictures | pictures, alone or one class a folder (`load_folder`) |
    | such a folder with a table `captions` or `metadata` (`.tsv`, ...) | pictures with texts (`load_captions`) |
    | a table whose pictures are beside it, or in a tar of its name | the same |
    | a dataset, saved or of the hub, with pictures | pictures with labels or texts (`load_picture_table`) |
    | a table of head, relation, tail; a folder of such `train`, `valid`, `test` | triples (`load_triples`) |
    | lists, arrays, data frames, datasets | whichever of these they are (`load_memory`) |

    Args:
        source: What to read.
        columns: Role -> column name or number; overrules what is recognised. Roles of texts as `read`; of pictures
            `image`, `text`, `label`; of triples `head`, `relation`, `tail`.
        schema: Of texts: as `read`.
        split: As `read`; of pictures: which split of a dataset, if not all.
        size: Of pictures: width and height, as `decode`.
        skip_bad: Leave bad rows out and list them in `.rejected`, instead of raising at the first.
        progress: Called now and then with what is done and the total (bytes, rows, or pictures decoded).

    Returns:
        What is trained on shares no item with what the source has to validate and to measure by: such rows are left
        out of training, and that is noted.

    Raises:
        InputError: Anything the user can correct, with file and line.

    Examples:
        >>> loaded = load_source("digits")
        >>> loaded.kind, loaded.data.schema, loaded.data.modalities
        ('pictures', 'labelled', ('image', None))
        >>> load_source(["a cat", "a dog"]).data.anchors.values
        ['a cat', 'a dog']
    """
    return load_with(source, Reading(columns or {}, schema, split, size, skip_bad, progress))


def load_with(source: Any, reading: Reading) -> Loaded:
    """`load_source`, its options as one."""
    loaded = _load(source, reading)
    if loaded.kind == "triples" or (loaded.dev is None and loaded.test is None):
        return loaded
    dev = loaded.dev if loaded.dev is None else kept_apart(loaded.dev, loaded.test)
    data = kept_apart(loaded.data, dev, loaded.test)
    if not len(data):
        raise InputError("all that is to be trained on is in the test, too", file=loaded.source, fix="give other rows")
    notes = list(loaded.notes)
    for name, before, after in (("training", loaded.data, data), ("validation", loaded.dev, dev)):
        if before is not None and after is not None and len(after) < len(before):
            left = len(before) - len(after)
            notes.append(f"left out of {name}, as what is measured by has them, too: {left:,}")
    return replace(loaded, data=data, dev=dev, notes=tuple(notes))


def _load(source: Any, reading: Reading) -> Loaded:
    if not isinstance(source, str | os.PathLike):
        return load_memory(source, reading)
    name, path = os.fspath(source), Path(source)
    if path.is_dir() and all(each.name.startswith(".") for each in path.iterdir()):
        raise InputError("an empty folder", file=path, fix="give one of pictures, of triples, or of a dataset")
    kind = source_kind(source, reading.columns)
    if kind == "texts":
        reading.check(name, kind, "columns", "schema", "split")
        texts = read(
            name,
            columns=reading.columns,
            schema=reading.schema,
            split=reading.split,
            skip_bad=reading.skip_bad,
            progress=reading.progress,
        )
        data = judged_rows(texts) if isinstance(texts, Retrieval) else rows_of(texts.examples, name)
        return Loaded(kind, data, name, rejected=texts.rejected, texts=texts)
    if kind == "triples":
        reading.check(name, kind, "columns")
        return load_triples([path], reading)
    if name.startswith("hf:"):
        splits, named = load_hub(name, reading.split)
        return load_datasets(splits, name, replace(reading, split=named))
    if is_saved(path):
        reading.check(name, kind, "columns", "split", "size")
        return _load_saved(path, reading)
    if files := caption_files(path) if path.is_dir() else {"train": path} if suffix(path) in FORMATS else {}:
        reading.check(name, kind, "columns", "size")
        return load_captions(files, name, reading)
    if path.is_dir() and name not in NAMED:
        reading.check(name, "a folder of pictures", "size")
        return load_folder(path, reading)
    reading.check(name, "arrays of pictures")
    return read_arrays(path) if name not in NAMED else Loaded(kind, NAMED[name](), name)


def _load_saved(path: Path, reading: Reading) -> Loaded:
    """A saved dataset with pictures, by parts."""
    splits: dict[str, str | None] = {**by_part(saved_splits(path), reading.split)}
    if "train" not in splits:
        splits = {"train": None}  # one alone, or none to train on, which its reader says
    there = beside(path / "dataset_info.json")

    def opened(name: str | None) -> Open:
        return lambda reject: read_saved(path, name, reject)

    parts = {part: (opened(name), there, os.fspath(path)) for part, name in splits.items()}
    return load_picture_table(parts, os.fspath(path), reading)


def _folder_kind(folder: Path, columns: ColumnMap) -> SourceKind:
    if is_saved(folder):
        if all(feature.get("_type") != "Image" for feature in saved_features(folder).values()):
            return "texts"
        return _by_roles(read_saved(folder, next(iter(saved_splits(folder)), None), Rejects("")), str(folder), columns)
    if find(folder, "corpus") and find(folder, "queries"):
        return "texts"
    if files := caption_files(folder):
        file = files["train"]
        return _by_roles(open_captions(file, columns, ahead=False)(Rejects("", skip=True)), str(file), columns, True)
    files = part_files(folder)
    if files and _holds_triples(files["train"], columns):
        return "triples"
    return "pictures" if holds_pictures(folder) else "texts"


def _file_kind(file: Path, columns: ColumnMap) -> SourceKind:
    if suffix(file) not in FORMATS:
        return "texts"
    if _holds_triples(file, columns):
        return "triples"
    if not columns.keys() <= set(ROLES):
        return "texts"
    try:
        table = open_captions(file, columns, ahead=False)(Rejects("", skip=True))
        if "image" not in columns and not _names_pictures(table, file):
            return "texts"
        return _by_roles(table, str(file), columns, is_caption_file(file))
    except InputError:
        return "texts"


def _names_pictures(table: Table, file: Path) -> bool:
    """Whether a table has a column of pictures, of which one at least is there."""
    there = beside(file)
    for column in table.columns:
        cells = [row.get(column) for row in table.sample]
        if shows(cells):
            try:
                return any(not isinstance(cell, str) or there(cell) for cell in cells[:20])
            except BadRowError:  # outside the folder, as its reader says
                return True
    return False


def _by_roles(table: Table, file: str, columns: ColumnMap, texts: bool = False) -> SourceKind:
    return "pictures with texts" if "text" in picture_roles(table, file, columns, texts) else "pictures"


def _shown(data: Any) -> bool:
    return "Image" in dataset_kinds(data).values()


def _holds_triples(file: Path, columns: ColumnMap) -> bool:
    """By the first rows; what cannot be read as a table is none."""
    if suffix(file) not in FORMATS:
        return False
    try:
        return seems_triples(open_triples(file, Rejects("", skip=True), columns, ahead=False), columns)
    except InputError:
        return False
