"""Connections to the documents of an index in a folder, for many threads, processes and read-only places."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.errors import InputError
from counterpoint.search._graph import Graph
from counterpoint.search._segments import Segment, open_segment
from counterpoint.search._view import Snapshot, View

_PATIENCE = 20.0  # seconds a writer waits for another
_LOG = 64 << 20  # bytes of SQLite's log that are kept for the next write


class Busy(InputError):  # noqa: N818 - as the other errors a user sees
    """Another process is writing."""


class Moved(Exception):  # noqa: N818 - not an error: the state has changed, look again
    """What was read is of a state whose files are gone."""


class Data:
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
            raise Moved(f"no {self._file.name}")
        mode = "mode=ro&immutable=1" if frozen else "mode=rw" if self.writable() else "mode=ro"
        db = sqlite3.connect(
            f"{self._file.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {_LOG}")
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
        place = self.folder / "vectors"
        graphs = {name: asked for name, *asked in db.execute("SELECT name, expansion, recall FROM graphs")}
        for name, first, rows, keys in db.execute("SELECT name, first, rows, keys FROM segments ORDER BY first"):
            if name not in known:
                try:
                    graph = Graph(place / f"{name}.usearch", *graphs[name]) if name in graphs else None
                    segment = replace(open_segment(place, name, first, rows, self.about, keys), graph=graph)
                except FileNotFoundError as error:
                    raise Moved(str(error)) from error
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
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what, fix = "no space left on the disk, nothing was written", "free some space or choose another folder"
        else:
            what, fix = f"the index cannot be read or written ({error})", "check the permissions, or build it again"
        raise InputError(what, file=where, fix=fix) from error
