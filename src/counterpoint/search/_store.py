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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.search import _folder
from counterpoint.search._connections import Busy, Data, Moved, errors
from counterpoint.search._files import sync_folder
from counterpoint.search._nonzero import Rows
from counterpoint.search._view import View, keys_of
from counterpoint.search._where import Scalar
from counterpoint.search._writing import SCHEMA, Progress, clean, discard, insert, merge, named, remove_documents

T = TypeVar("T")

_TRIES = 20  # states a reader may see vanish under it, one after another


class Store:
    """The documents of an index in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._data: Data | None = None
        self._left: list[Data] = []  # of the process this one was forked from; closing them would end its locks
        self._closed = False
        self.read(len)

    @property
    def about(self) -> dict[str, Any]:
        """What the index says of itself, as it is now."""
        return self._current().about

    def _current(self) -> Data:
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
                data = self._data = Data(self.folder, about, stamp)
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
                except (FileNotFoundError, Moved) as error:
                    reason = error
                except sqlite3.DatabaseError as error:
                    # somebody may have written to what was taken for frozen, or built the index again
                    if data.stamp == _folder.stamp(self.folder) and (before is None or data.frozen() == before):
                        raise
                    reason = error
        raise InputError(f"the index is not whole ({reason})", file=self.folder, fix="build it again")

    def check_writable(self) -> None:
        """Refuse to write where this process may not."""
        if not self._current().writable():
            raise InputError(
                "the index may only be read here", file=self.folder, fix="write where you have the permission"
            )

    @contextlib.contextmanager
    def writing(self) -> Iterator[tuple[Data, sqlite3.Connection]]:
        """The right to write, which one has at a time; what is done within becomes the new state at its end."""
        with errors(self.folder):
            while True:
                data = self._current()
                self.check_writable()
                with data.connection() as db:
                    db.execute("BEGIN IMMEDIATE")
                    if data.stamp != _folder.stamp(self.folder):
                        continue  # a build took its place while this waited
                    _folder.clean(self.folder, data.folder.name)
                    clean(data.folder, db)
                    before = named(db)
                    try:
                        yield data, db
                        merged = before - named(db)
                        db.execute("UPDATE state SET version = version + 1")
                        db.execute("COMMIT")
                    except BaseException:
                        if db.in_transaction:
                            db.execute("ROLLBACK")
                        with contextlib.suppress(sqlite3.Error):  # its log may be what fills the disk
                            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                        raise
                    # only what this writer took in: others may write by now, and their files are not named yet
                    discard(data.folder, merged)
                    return

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        z_nd: Rows,
        columns: Mapping[str, Sequence[Scalar]],
        progress: Progress | None,
        several: Ragged | None,
    ) -> None:
        """Add or replace documents."""
        with self.writing() as (data, db):
            remove_documents(db, [key for _, key in keys_of(db, ids)])
            merge(data.folder, data.about, db, *insert(db, ids, texts, columns, progress), z_nd, several)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; how many there were."""
        with self.writing() as (data, db):
            keys = [key for _, key in keys_of(db, ids)]
            remove_documents(db, keys)
            merge(data.folder, data.about, db, 0, 0, np.empty((0, data.about["dim"]), dtype=np.float32))
        return len(keys)

    def close(self) -> None:
        """Close it and let go of the files; closing twice is fine."""
        with self._lock:
            self._closed, data, self._data = True, self._data, None
        if data is not None and data.pid == os.getpid():
            data.close()
        elif data is not None:
            self._left.append(data)


def create(
    folder: Path,
    about: Mapping[str, Any],
    ids: Sequence[str],
    texts: Sequence[str],
    z_nd: Rows,
    columns: Mapping[str, Sequence[Scalar]],
    progress: Progress | None,
    several: Ragged | None,
) -> None:
    """Write the documents of a new build to `folder`, which nobody looks at yet."""
    with errors(folder):
        (folder / "vectors").mkdir(parents=True)
        (folder / "documents.db").touch()  # else SQLite makes one that the umask alone does not decide of
        db = sqlite3.connect(folder / "documents.db", isolation_level=None)
        try:
            # what is not whole is thrown away, so it needs no journal
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA cache_size = -65536")
            db.executescript(f"BEGIN; {SCHEMA}")
            # no state of another build has this number
            db.execute("INSERT INTO state VALUES (?, 0)", (time.time_ns() // 1000,))
            merge(folder, about, db, *insert(db, ids, texts, columns, progress), z_nd, several)
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
