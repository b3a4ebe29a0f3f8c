"""`load_source`: from a source of any kind to rows over items."""

from __future__ import annotations

import os
from pathlib import Path

from counterpoint.data.arrays import read_arrays
from counterpoint.data.images import NAMED, load_images, rows_of_images
from counterpoint.data.layouts import read
from counterpoint.data.loaded import Loaded, SourceKind
from counterpoint.data.pictures import holds_pictures, load_folder
from counterpoint.data.retrieval import judged_rows
from counterpoint.data.rows import rows_of
from counterpoint.data.schema import ColumnMap
from counterpoint.data.tables import FORMATS, suffix
from counterpoint.data.triples import load_triples, open_triples, part_files, seems_triples
from counterpoint.data.types import Progress, Rejects, Retrieval
from counterpoint.errors import InputError


def source_kind(source: str | os.PathLike[str], columns: ColumnMap | None = None) -> SourceKind:
    """What a source holds, by its name, its files and the first rows of one; it is not read whole.

    Args:
        source: As `load_source`. What is not there, or is of no known layout, counts as texts, whose reader says so.
        columns: As `load_source`: roles tell a kind, too.

    Examples:
        >>> source_kind("digits"), source_kind("pictures.npz"), source_kind("nowhere.tsv")
        ('pictures', 'pictures', 'texts')
    """
    columns = columns or {}
    path = Path(source)
    if str(source) in NAMED or path.suffix == ".npz":
        return "pictures"
    if not path.exists():
        return "texts"
    if path.is_dir():
        files = part_files(path)
        if files and _holds_triples(files["train"], columns):
            return "triples"
        return "pictures" if holds_pictures(path) else "texts"
    return "triples" if _holds_triples(path, columns) else "texts"


def load_source(
    source: str | os.PathLike[str],
    *,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    split: str | None = None,
    size: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Loaded:
    """Read a source of any kind as rows over items, and check every row.

    Args:
        source: What to read.
        columns: Role -> column name or number; overrules what is recognised.
        schema: Of texts: as `read`.
        split: As `read`.
        size: Of pictures: width and height, as `decode`.
        skip_bad: Leave bad rows out and list them in `.rejected`, instead of raising at the first.
        progress: Called now and then with what is done and the total (bytes, rows, or pictures decoded).

    Raises:
        InputError: Anything the user can correct, with file and line.

    Examples:
        >>> loaded = load_source("digits")
        >>> loaded.kind, loaded.data.schema, loaded.data.modalities
        ('pictures', 'labelled', ('image', None))
    """
    kind, name = source_kind(source, columns), os.fspath(source)
    if kind == "triples":
        return load_triples([source], columns=columns, skip_bad=skip_bad, progress=progress)
    if kind == "pictures":
        if Path(source).is_dir() and name not in NAMED:
            return load_folder(Path(source), size=size, skip_bad=skip_bad, progress=progress)
        if size is not None:
            raise InputError("arrays are not resized", file=name, fix="leave the size out, or give a folder")
        return read_arrays(Path(source)) if name not in NAMED else Loaded(kind, rows_of_images(load_images(name)), name)
    texts = read(source, columns=columns, schema=schema, split=split, skip_bad=skip_bad, progress=progress)
    data = judged_rows(texts) if isinstance(texts, Retrieval) else rows_of(texts.examples, name)
    return Loaded("texts", data, name, rejected=texts.rejected, texts=texts)


def _holds_triples(file: Path, columns: ColumnMap) -> bool:
    """By the first rows; what cannot be read as a table is none."""
    if suffix(file) not in FORMATS:
        return False
    try:
        return seems_triples(open_triples(file, Rejects("", skip=True), columns, ahead=False), columns)
    except InputError:
        return False
