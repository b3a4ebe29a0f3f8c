"""Documents in a folder: SQLite for ids, texts, columns and the state, files of vectors beside it.

A write is one SQLite transaction that names files of vectors which are on the disk already, so a kill at any
moment leaves the old state or the new one. A reader sees one state through a whole call (a read transaction in
SQLite's write-ahead mode), and none waits for another.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.errors import InputError
from counterpoint.files import remove
from counterpoint.search import _folder
from counterpoint.search._segments import (
    Segment,
    comparable,
    comparable_blocks,
    nearest,
    open_segment,
    sync_folder,
    write_segment,
)
from counterpoint.search._where import Kinds, Scalar, Where, conditions, from_cell, kind_of, to_cell, to_sql
from counterpoint.search.hit import Document, Hit

T = TypeVar("T")
Progress = Callable[[int, int], None]

_SCHEMA = """
CREATE TABLE state (version INTEGER NOT NULL, next INTEGER NOT NULL);
CREATE TABLE documents (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE columns (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kinds TEXT NOT NULL);
CREATE TABLE fields (key INTEGER PRIMARY KEY);
CREATE TABLE segments (name TEXT PRIMARY KEY, first INTEGER NOT NULL, rows INTEGER NOT NULL, keys BLOB);
CREATE TABLE dead (key INTEGER PRIMARY KEY);
"""
_PATIENCE = 20.0  # seconds a writer waits for another
_TRIES = 20  # states a reader may see vanish under it, one after another
_MANY = 500  # keys or ids in one statement
_COLUMNS = 1000  # SQLite has no more than 2,000 in a table
_FILTERS = 8  # answers of filters that are kept


class Busy(InputError):
    """Another process is writing."""


class _Moved(Exception):  # noqa: N818 - not an error: the state has changed, look again
    """What was read is of a state whose files are gone."""


@dataclass
class Snapshot:
    """What all readers of one state share."""

    version: int
    segments: list[Segment]
    columns: dict[str, str]
    kinds: Kinds
    passing: OrderedDict[Any, Int64[np.ndarray, "_"]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return sum(len(s) if s.alive_m is None else int(s.alive_m.sum()) for s in self.segments)


@dataclass(frozen=True)
class View:
    """The documents as they are at one moment."""

    folder: Path
    about: Mapping[str, Any]
    snapshot: Snapshot
    db: sqlite3.Connection

    @property
    def version(self) -> int:
        """Grows with every write."""
        return self.snapshot.version

    def __len__(self) -> int:
        return len(self.snapshot)

    def search(self, queries_nd: Float[np.ndarray, "n d"], k: int, where: Where | None) -> list[list[Hit]]:
        """The `k` closest of every query among those that pass `where`."""
        metric = self.about["metric"]
        found = nearest(
            self.snapshot.segments, comparable(queries_nd, metric, "queries"), k, metric, self._passing(where)
        )
        documents = self._documents(sorted({key for keys, _ in found for key in keys}))
        return [
            [
                Hit(documents[key].id, score, documents[key].text, documents[key].columns)
                for key, score in zip(keys, scores, strict=True)
            ]
            for keys, scores in found
        ]

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Those of `ids` that there are."""
        keys = [key for _, key in _keys(self.db, ids)]
        return {document.id: document for document in self._documents(keys).values()}

    def names(self, where: Where | None = None) -> list[str]:
        """The ids of all documents that pass, in the order in which they were added."""
        among = self._passing(where)
        if among is None:
            return [name for (name,) in self.db.execute("SELECT id FROM documents ORDER BY key")]
        return [d.id for d in self._documents(among.tolist()).values()]

    def texts(self) -> dict[str, str]:
        """Every id and text, in the order in which they were added."""
        return dict(self.db.execute("SELECT id, text FROM documents ORDER BY key"))

    def _documents(self, keys: Sequence[int]) -> dict[int, Document]:
        names = list(self.snapshot.columns)
        found: dict[int, Document] = {}
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            # without columns there is nothing in `fields`
            joined = "documents d LEFT JOIN fields f ON f.key = d.key" if names else "documents d"
            select = ", ".join(["d.key", "d.id", "d.text", *(f"f.{c}" for c in self.snapshot.columns.values())])
            for row in self.db.execute(f"SELECT {select} FROM {joined} WHERE d.key IN ({marks})", part):
                cells = zip(names, row[3:], strict=True)
                columns = {name: from_cell(cell) for name, cell in cells if cell is not None}
                found[row[0]] = Document(row[1], row[2], columns)
        return found

    def _passing(self, where: Where | None) -> Int64[np.ndarray, "_"] | None:
        """The keys of the documents that pass, ascending; None for all. The last few answers are kept."""
        asked = conditions(where, self.snapshot.kinds)
        if not asked:
            return None
        kept = self.snapshot.passing
        if (known := kept.get(asked)) is not None:
            return known
        parts = [to_sql(c, self.snapshot.columns[c.column]) for c in asked]
        clause = " AND ".join(text for text, _ in parts)
        values = [value for _, more in parts for value in more]
        rows = self.db.execute(f"SELECT key FROM fields WHERE {clause} ORDER BY key", values)
        keys = np.fromiter((key for (key,) in rows), dtype=np.int64)
        kept[asked] = keys
        while len(kept) > _FILTERS:
            with contextlib.suppress(KeyError):  # another thread was faster
                kept.popitem(last=False)
        return keys


class _Data:
    """The documents of one build, open in this process: connections that are free, and the last state seen."""

    def __init__(self, folder: Path, about: dict[str, Any], stamp: tuple[int, int, int]) -> None:
        self.folder, self.about, self.stamp = folder / about["data"], about, stamp
        self.pid = os.getpid()
        self.snapshot: Snapshot | None = None
        self._closed = False
        self._free: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._file = self.folder / "documents.db"
        self._log = self.folder / "documents.db-wal"

    def writable(self) -> bool:
        """Whether this process may write here."""
        return os.access(self.folder, os.W_OK) and os.access(self._file, os.W_OK)

    def frozen(self) -> tuple[int, ...] | None:
        """What changes when somebody writes, in a place where this process can lock nothing; None elsewhere.

        SQLite's write-ahead mode needs files beside the database; in a read-only place where all is folded in,
        it is read as it is, and read again if it was not the same before and after.
        """
        if self.writable() or (self._log.exists() and self._log.stat().st_size > 0):
            return None
        found = self._file.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    @contextlib.contextmanager
    def connection(self, *, frozen: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread has meanwhile."""
        with self._lock:
            db = self._free.pop() if self._free and not frozen else None
        db = db or self._connect(frozen)
        try:
            yield db
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            with self._lock:
                keep = not self._closed and not frozen
                if keep:
                    self._free.append(db)
            if not keep:
                db.close()

    def _connect(self, frozen: bool) -> sqlite3.Connection:
        if not self._file.is_file():
            raise _Moved(f"no {self._file.name}")
        mode = "mode=ro&immutable=1" if frozen else "mode=rw" if self.writable() else "mode=ro"
        db = sqlite3.connect(
            f"{self._file.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        db.execute("PRAGMA synchronous = FULL")
        return db

    def view(self, db: sqlite3.Connection) -> View:
        """The state that a transaction of `db`, begun here, sees."""
        db.execute("BEGIN")
        ((version,),) = db.execute("SELECT version FROM state").fetchall()
        snapshot = self.snapshot
        if snapshot is None or snapshot.version != version:
            snapshot = self._load(db, version, {s.name: s for s in (snapshot.segments if snapshot else ())})
            self.snapshot = snapshot
        return View(self.folder, self.about, snapshot, db)

    def _load(self, db: sqlite3.Connection, version: int, known: Mapping[str, Segment]) -> Snapshot:
        dead = np.array([key for (key,) in db.execute("SELECT key FROM dead ORDER BY key")], dtype=np.int64)
        segments = []
        for name, first, rows, keys in db.execute("SELECT name, first, rows, keys FROM segments ORDER BY first"):
            if name not in known:
                try:
                    segment = open_segment(self.folder / "vectors", name, first, rows, self.about["dim"], keys)
                except FileNotFoundError as error:
                    raise _Moved(str(error)) from error
            else:
                segment = known[name]
            segments.append(segment.without(dead))
        columns = db.execute("SELECT number, name, kinds FROM columns ORDER BY number").fetchall()
        return Snapshot(
            version,
            segments,
            {name: f"c{number}" for number, name, _ in columns},
            {name: frozenset(kinds.split()) for _, name, kinds in columns},
        )

    def close(self) -> None:
        with self._lock:
            self._closed, free, self._free = True, self._free, []
        for db in free:
            db.close()


class Store:
    """The documents of an index in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._data: _Data | None = None
        self._left: list[_Data] = []  # of the process this one was forked from; closing them would end its locks
        self._closed = False
        self.read(len)

    @property
    def about(self) -> dict[str, Any]:
        """What the index says of itself, as it is now."""
        return self._current().about

    def _current(self) -> _Data:
        if self._closed:
            raise InputError("the index is closed", file=self.folder, fix="open it again")
        stamp = _folder.stamp(self.folder)
        with self._lock:
            data = self._data
            if data is not None and data.pid != os.getpid():
                self._left.append(data)
                data = None
            elif data is not None and data.stamp != stamp:
                data.close()
                data = None
            if data is None:
                about = _folder.read(self.folder)
                if about["uri"]:
                    raise InputError("the index has moved to a cluster", file=self.folder, fix="open it again")
                data = self._data = _Data(self.folder, about, stamp)
            return data

    def read(self, work: Callable[[View], T]) -> T:
        """What `work` finds in the documents as they are at one moment; it may be called again if they move."""
        reason: Exception | str = "it changes faster than it can be read"
        for _ in range(_TRIES):
            data = self._current()
            with errors(self.folder):
                try:
                    before = data.frozen()
                    with data.connection(frozen=before is not None) as db:
                        found = work(data.view(db))
                    if before is None or data.frozen() == before:
                        return found
                except (FileNotFoundError, _Moved) as error:
                    reason = error
                except sqlite3.DatabaseError as error:
                    # somebody may have written to what was taken for frozen, or built the index again
                    if data.stamp == _folder.stamp(self.folder) and (before is None or data.frozen() == before):
                        raise
                    reason = error
        raise InputError(f"the index is not whole ({reason})", file=self.folder, fix="build it again")

    @contextlib.contextmanager
    def writing(self) -> Iterator[tuple[_Data, sqlite3.Connection]]:
        """The right to write, which one has at a time; what is done within becomes the new state at its end."""
        with errors(self.folder):
            while True:
                data = self._current()
                if not data.writable():
                    raise InputError(
                        "the index may only be read here", file=self.folder, fix="write where you have the permission"
                    )
                with data.connection() as db:
                    db.execute("BEGIN IMMEDIATE")
                    if data.stamp != _folder.stamp(self.folder):
                        continue  # a build took its place while this waited
                    _folder.clean(self.folder, data.folder.name)
                    _clean(data.folder, db)
                    yield data, db
                    db.execute("UPDATE state SET version = version + 1")
                    db.execute("COMMIT")
                    _clean(data.folder, db)
                    return

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        z_nd: Float[np.ndarray, "n d"],
        columns: Mapping[str, Sequence[Scalar]],
        progress: Progress | None,
    ) -> None:
        """Add or replace documents."""
        with self.writing() as (data, db):
            _remove(db, [key for _, key in _keys(db, ids)])
            merge(data.folder, data.about, db, *insert(db, ids, texts, columns, progress), z_nd)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; how many there were."""
        with self.writing() as (data, db):
            keys = [key for _, key in _keys(db, ids)]
            _remove(db, keys)
            merge(data.folder, data.about, db, 0, 0, np.empty((0, data.about["dim"]), dtype=np.float32))
        return len(keys)

    def close(self) -> None:
        """Close it; closing twice is fine."""
        with self._lock:
            self._closed = True
            if self._data is not None and self._data.pid == os.getpid():
                self._data.close()


def create(
    folder: Path,
    about: Mapping[str, Any],
    ids: Sequence[str],
    texts: Sequence[str],
    z_nd: Float[np.ndarray, "n d"],
    columns: Mapping[str, Sequence[Scalar]],
    progress: Progress | None,
) -> None:
    """Write the documents of a new build to `folder`, which nobody looks at yet."""
    with errors(folder):
        (folder / "vectors").mkdir(parents=True)
        db = sqlite3.connect(folder / "documents.db", isolation_level=None)
        try:
            # what is not whole is thrown away, so it needs no journal
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA cache_size = -65536")
            db.executescript(f"BEGIN; {_SCHEMA}")
            # no state of another build has this number
            db.execute("INSERT INTO state VALUES (?, 0)", (time.time_ns() // 1000,))
            merge(folder, about, db, *insert(db, ids, texts, columns, progress), z_nd)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")
        finally:
            db.close()
        with (folder / "documents.db").open("rb+") as file:
            os.fsync(file.fileno())
        sync_folder(folder)


def take_place(folder: Path, about: dict[str, Any]) -> None:
    """Make what `about` describes the index of `folder`, once whoever writes to the present one is done."""
    with contextlib.ExitStack() as stack:
        try:
            store = Store(folder)
            stack.callback(store.close)
            stack.enter_context(store.writing())
        except Busy:
            raise
        except InputError:
            pass  # there is none, or it is broken, or in a cluster
        _folder.write(folder, about)


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
    z_nd: Float[np.ndarray, "n d"],
) -> None:
    """Write new vectors to a file, together with what else it is time to write again.

    Files that are not twice as large as all that is newer are taken in, so there are few of them and a row
    is written again only log2(n) times; everything is, when a quarter of the rows belong to no document.
    """
    rows = db.execute("SELECT name, first, rows, keys FROM segments ORDER BY first").fetchall()
    dead = np.array([key for (key,) in db.execute("SELECT key FROM dead ORDER BY key")], dtype=np.int64)
    held = sum(row[2] for row in rows)
    taken, newer = [], count
    while rows and (rows[-1][2] < 2 * newer or 4 * len(dead) > held):
        taken.insert(0, rows.pop())
        newer += taken[0][2]
    old = [open_segment(folder / "vectors", *row[:3], about["dim"], row[3]).without(dead) for row in taken]
    keys = np.concatenate(
        [*(s.keys()[s.alive_m if s.alive_m is not None else slice(None)] for s in old), np.arange(first, first + count)]
    ).astype("<i8")
    db.executemany("DELETE FROM segments WHERE name = ?", [(s.name,) for s in old])
    db.executemany("DELETE FROM dead WHERE key = ?", [(int(k),) for s in old for k in dead[np.isin(dead, s.keys())]])
    if not len(keys):
        return

    def blocks() -> Iterator[np.ndarray]:
        for segment in old:
            for start in range(0, len(segment), 16_384):
                part = slice(start, start + 16_384)
                block = segment.vectors_md[part]
                yield block if segment.alive_m is None else block[segment.alive_m[part]]
        yield from comparable_blocks(z_nd, about["metric"], "embeddings")

    name = uuid.uuid4().hex
    write_segment(folder / "vectors" / f"{name}.npy", blocks(), len(keys), about["dim"])
    run = int(keys[-1]) - int(keys[0]) + 1 == len(keys)
    db.execute(
        "INSERT INTO segments VALUES (?, ?, ?, ?)", (name, int(keys[0]), len(keys), None if run else keys.tobytes())
    )


def _keys(db: sqlite3.Connection, ids: Sequence[str]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for start in range(0, len(ids), _MANY):
        part = list(ids[start : start + _MANY])
        found += db.execute(f"SELECT id, key FROM documents WHERE id IN ({', '.join('?' * len(part))})", part)
    return found


def _remove(db: sqlite3.Connection, keys: Sequence[int]) -> None:
    rows = [(key,) for key in keys]
    for table in ("documents", "fields"):
        db.executemany(f"DELETE FROM {table} WHERE key = ?", rows)
    db.executemany("INSERT INTO dead VALUES (?)", rows)


def _clean(folder: Path, db: sqlite3.Connection) -> None:
    """Take away files of vectors that no document needs: those of a killed writer, those that were merged."""
    named = {f"{name}.npy" for (name,) in db.execute("SELECT name FROM segments")}
    for file in (folder / "vectors").iterdir():
        if file.name not in named:
            with contextlib.suppress(OSError):  # where a mapped file cannot go yet, the next writer does it
                remove(file)


@contextlib.contextmanager
def errors(where: Path) -> Iterator[None]:
    """SQLite's errors and a full disk as one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        said = str(error)
        if "locked" in said or "busy" in said:
            raise Busy(
                "another process is writing to the index", file=where, fix="try again when it is done"
            ) from error
        if "full" in said:
            what, fix = "no space left on the disk, nothing was written", "free some space or choose another folder"
        elif "readonly" in said or "unable to open" in said:
            what, fix = f"the index cannot be opened ({said})", "check the permissions, or build it again"
        else:
            what, fix = f"the index cannot be read ({said})", "build it again"
        raise InputError(what, file=where, fix=fix) from error
    except OSError as error:
        import errno

        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                "no space left on the disk, nothing was written",
                file=where,
                fix="free some space or choose another folder",
            ) from error
        raise
