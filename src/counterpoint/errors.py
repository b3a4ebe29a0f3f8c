"""The two errors a user is meant to see: one sentence that says what, where and what to do; a check all calls share."""

from __future__ import annotations

import os
from functools import partial
from typing import Any


class InputError(ValueError):
    """Input the user can correct. The command line prints it as one sentence and exits with code 2.

    Args:
        what: What is wrong, without a final full stop.
        file: The file it is in, if it is in a file.
        line: The 1-based line (or row) of `file`, if it is in one line.
        fix: What to do about it, without a final full stop.

    Examples:
        >>> str(InputError("score is not a number: 'nan'", file="a.tsv", line=3, fix="correct it"))
        "a.tsv:3: score is not a number: 'nan'; correct it."
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | os.PathLike[str] | None = None,
        line: int | None = None,
        fix: str = "",
    ) -> None:
        self.what, self.fix = what, fix
        self.file = None if file is None else os.fspath(file)
        self.line = line
        super().__init__(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # so that it crosses process boundaries
        return partial(InputError, self.what, file=self.file, line=self.line, fix=self.fix), ()

    def __str__(self) -> str:
        where = "" if self.file is None else self.file
        if self.line is not None:
            where += f":{self.line}" if where else f"line {self.line}"
        sentence = f"{where}: {self.what}" if where else self.what
        return f"{sentence}; {self.fix}." if self.fix else f"{sentence}."


class MissingExtra(InputError, ImportError):  # noqa: N818 - what is missing is an extra
    """An optional dependency is not installed; the sentence names the extra that brings it.

    Examples:
        >>> str(MissingExtra("pymilvus", extra="search"))
        "pymilvus is not installed; run: pip install 'counterpoint[search]'."
    """

    def __init__(self, module: str, *, extra: str) -> None:
        self.module, self.extra = module, extra
        super().__init__(f"{module} is not installed", fix=f"run: pip install 'counterpoint[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(MissingExtra, self.module, extra=self.extra), ()


def refuse_string(values: object, name: str) -> None:
    """Refuse one string where a list of strings belongs: Python would take it for a list of its characters.

    Args:
        values: What was given.
        name: What the argument is called.

    Raises:
        InputError: It is a `str` or `bytes`.

    Examples:
        >>> refuse_string(["12"], "ids")
        >>> refuse_string("12", "ids")
        Traceback (most recent call last):
        counterpoint.errors.InputError: ids must be a list of strings, not one string; write ['12'].
    """
    if isinstance(values, (str, bytes)):
        shown = repr(values) if len(values) < 40 else "..."
        raise InputError(f"{name} must be a list of strings, not one string", fix=f"write [{shown}]")
