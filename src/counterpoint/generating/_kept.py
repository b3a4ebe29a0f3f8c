"""Answers that were given, in a folder: by what was asked, whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

from counterpoint.errors import InputError
from counterpoint.files import check_output
from counterpoint.generating.asking import Answer, Request

_FILE = "answers.sqlite"
_MANY = 500  # keys of one question to the database; SQLite takes 999 at least


class Kept:
    """A table of key, what was asked and what was answered, that several processes may write to at once.

    An answer is in it from the moment that `put` returns, whatever becomes of the process. The first answer to a
    request stays.

    Args:
        folder: Where; None keeps them as long as this object lives.

    Raises:
        InputError: The folder cannot be written, holds something else, or its file is no such table.
    """

    def __init__(self, folder: Path | None) -> None:
        self.file = None if folder is None else check_output(folder, ours=[_FILE]) / _FILE
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._errors():
            # each statement is a transaction; another process's write is waited for
            where = self.file or ":memory:"
            self.database = sqlite3.connect(where, isolation_level=None, timeout=60, check_same_thread=False)
            weakref.finalize(self, self.database.close)
            self.database.execute("PRAGMA journal_mode = WAL")
            # the system's crash may lose the last answers, a killed process loses none
            self.database.execute("PRAGMA synchronous = NORMAL")
            self.database.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT, asked TEXT, answer TEXT)"
            )

    def get(self, keys: Mapping[str, Request]) -> dict[Request, Answer]:
        """The answers that are there."""
        every, found = list(keys), {}
        with self._errors():
            for begin in range(0, len(every), _MANY):
                some = every[begin : begin + _MANY]
                where = f"SELECT key, answer FROM answers WHERE key IN ({','.join('?' * len(some))})"
                for key, answer in self.database.execute(where, some):
                    found[keys[key]] = Answer(**json.loads(answer))
        return found

    def put(self, model: str, request: Request, answer: Answer) -> Answer:
        """Keep an answer; what was kept before, perhaps by another process, is given back in its place."""
        key = request.key(model)
        row = (key, model, request.text(), json.dumps(dataclasses.asdict(answer)))
        with self._errors():
            self.database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", row)
        return self.get({key: request})[request]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            fix = "free some space, or give another folder for the answers"
            raise InputError(f"answers cannot be kept here ({error})", file=self.file, fix=fix) from error
