"""What a write does to the documents of an index in a folder: rows in SQLite, vectors in a file."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.errors import InputError
from counterpoint.files import remove
from counterpoint.geometry import Ragged
from counterpoint.precision import Ranges, pack_bits
from counterpoint.search._files import write_matrix
from counterpoint.search._graph import build_graph, wanted
from counterpoint.search._nonzero import Rows, write_nonzero
from counterpoint.search._segments import Segment, comparable_blocks, open_segment
from counterpoint.search._several import write_each
from counterpoint.search._where import Scalar, kind_of, to_cell

Progress = Callable[[int, int], None]
"""Called while documents are written, with how many are and how many there are."""

SCHEMA = """
CREATE TABLE state (version INTEGER NOT NULL, next INTEGER NOT NULL);
CREATE TABLE documents (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE columns (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kinds TEXT NOT NULL);
CREATE TABLE fields (key INTEGER PRIMARY KEY);
CREATE TABLE segments (name TEXT PRIMARY KEY, first INTEGER NOT NULL, rows INTEGER NOT NULL, keys BLOB);
CREATE TABLE graphs (name TEXT PRIMARY KEY, expansion INTEGER NOT NULL, recall REAL NOT NULL);
CREATE TABLE dead (key INTEGER PRIMARY KEY);
"""
_COLUMNS = 1000  # SQLite has no more than 2,000 in a table


def insert(
    db: sqlite3.Connection,
    ids: Sequence[str],
    texts: Sequence[str],
    columns: Mapping[str, Sequence[Scalar]],
    progress: Progress | None,
) -> tuple[int, int]:
    """Write everything but the vectors; the first key and how many."""
    ((first,),) = db.execute("SELECT next FROM state").fetchall()
    cells = _columns(db, columns)
    keys = range(first, first + len(ids))
    step = 10_000
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        db.executemany("INSERT INTO documents VALUES (?, ?, ?)", zip(keys[part], ids[part], texts[part], strict=True))
        if cells:
            rows = zip(keys[part], *([to_cell(v) for v in columns[name][part]] for name in cells), strict=True)
            marks = ", ".join("?" * (len(cells) + 1))
            db.executemany(f"INSERT INTO fields (key, {', '.join(cells.values())}) VALUES ({marks})", rows)
        if progress:
            progress(min(start + step, len(ids)), len(ids))
    db.execute("UPDATE state SET next = ?", (first + len(ids),))
    return first, len(ids)


def _columns(db: sqlite3.Connection, columns: Mapping[str, Sequence[Scalar]]) -> dict[str, str]:
    """The table's column for each name; new ones are made."""
    known = {name: (number, kinds) for number, name, kinds in db.execute("SELECT number, name, kinds FROM columns")}
    for name, values in columns.items():
        number, had = known.get(name, (len(known), ""))
        if name not in known:
            if number >= _COLUMNS:
                raise InputError(f"the documents have more than {_COLUMNS:,} columns", fix="leave some out")
            db.execute(f"ALTER TABLE fields ADD COLUMN c{number}")
        kinds = {kind for value in values if (kind := kind_of(value, name))} | set(had.split())
        known[name] = number, " ".join(sorted(kinds))
        db.execute("INSERT OR REPLACE INTO columns VALUES (?, ?, ?)", (number, name, known[name][1]))
    return {name: f"c{known[name][0]}" for name in columns}


def merge(
    folder: Path,
    about: Mapping[str, Any],
    db: sqlite3.Connection,
    first: int,
    count: int,
    z_nd: Rows,
    several: Ragged | None = None,
) -> None:
    """Write new vectors to a file, together with what else it is time to write again; `several`: all of each.

    Files that are not twice as large as all that is newer are taken in, so there are few of them and a row
    is written again only log2(n) times; everything is, when a quarter of the rows belong to no document.
    """
    rows = db.execute("SELECT name, first, rows, keys FROM segments ORDER BY first").fetchall()
    dead = np.array([key for (key,) in db.execute("SELECT key FROM dead ORDER BY key")], dtype=np.int64)
    held = sum(row[2] for row in rows)
    old: list[Segment] = []
    newer = count
    while rows and (rows[-1][2] < 2 * newer or 4 * len(dead) > held):
        name, lowest, size, kept = rows.pop()
        old.insert(0, open_segment(folder / "vectors", name, lowest, size, about, kept).without(dead))
        newer += size
    keys = np.concatenate(
        [*(s.keys()[s.alive_m if s.alive_m is not None else slice(None)] for s in old), np.arange(first, first + count)]
    ).astype("<i8")
    for table in ("segments", "graphs"):
        db.executemany(f"DELETE FROM {table} WHERE name = ?", [(s.name,) for s in old])
    db.executemany("DELETE FROM dead WHERE key = ?", [(int(k),) for s in old for k in dead[np.isin(dead, s.keys())]])
    if not len(keys):
        return

    def blocks(held: str, made: Callable[[Any], Any]) -> Iterator[Any]:
        for segment in old:
            rows_mw = getattr(segment, held)
            for start in range(0, len(segment), 16_384):
                part = slice(start, start + 16_384)
                yield rows_mw[part] if segment.alive_m is None else rows_mw[part][segment.alive_m[part]]
        yield from map(made, comparable_blocks(z_nd, about["metric"], "embeddings"))

    name = uuid.uuid4().hex
    file, shape = folder / "vectors" / f"{name}.npy", (len(keys), about["dim"])
    try:
        if about["sparse"]:
            write_nonzero(file, lambda: blocks("vectors_md", lambda z_bd: z_bd))
        elif about["precision"] == "float32":
            write_matrix(file, blocks("vectors_md", lambda z_bd: z_bd), shape)
        else:
            write_matrix(file, blocks("vectors_md", Ranges.from_json(about["ranges"]).quantize), shape, "|i1")
        if about["precision"] == "binary":
            shape = len(keys), -(-about["dim"] // 8)
            write_matrix(file.with_suffix(".bits"), blocks("bits_mb", pack_bits), shape, "|u1")
        if about["several"]:
            parts = [(s.each, s.alive_m) for s in old if s.each is not None]
            write_each(file, about["dim"], [*parts, *([] if several is None else [(several, None)])])
    except BaseException:
        for other in file.parent.glob(f"{name}.*"):
            remove(other)
        raise
    if about["precision"] == "float32" and not about["sparse"] and wanted(about["approximate"], len(keys)):
        whole = open_segment(folder / "vectors", name, 0, len(keys), about, None)
        assert isinstance(whole.vectors_md, np.ndarray)
        built = build_graph(folder / "vectors" / f"{name}.usearch", whole.vectors_md, about["metric"])
        db.execute("INSERT INTO graphs VALUES (?, ?, ?)", (name, *built))
    run = int(keys[-1]) - int(keys[0]) + 1 == len(keys)
    db.execute(
        "INSERT INTO segments VALUES (?, ?, ?, ?)", (name, int(keys[0]), len(keys), None if run else keys.tobytes())
    )


def remove_documents(db: sqlite3.Connection, keys: Sequence[int]) -> None:
    """Remove everything but the vectors, which are from now on nobody's."""
    rows = [(key,) for key in keys]
    for table in ("documents", "fields"):
        db.executemany(f"DELETE FROM {table} WHERE key = ?", rows)
    db.executemany("INSERT INTO dead VALUES (?)", rows)


def named(db: sqlite3.Connection) -> set[str]:
    """The segments of the state as this connection sees it."""
    return {name for (name,) in db.execute("SELECT name FROM segments")}


def clean(folder: Path, db: sqlite3.Connection) -> None:
    """Take away files of vectors that no document needs, such as those of a killed writer; with the right to write.

    Without it they might be another writer's, who is about to name them.
    """
    discard(folder, {file.stem for file in (folder / "vectors").iterdir()} - named(db))


def discard(folder: Path, names: set[str]) -> None:
    """Take away the files of these segments."""
    for file in (folder / "vectors").iterdir() if names else ():
        if file.stem in names:
            with contextlib.suppress(OSError):  # where a mapped file cannot go yet, the next writer does it
                remove(file)
