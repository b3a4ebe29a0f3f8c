"""Lines of the files of sentence tasks, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from counterpoint.errors import InputError


def uneven(first: Path, n: int, second: Path, m: int) -> InputError:
    """What is said of two files that belong together line by line, and have `n` and `m` lines."""
    shorter, line = (second, m) if m < n else (first, n)
    return InputError(
        f"{first.name} has {n:,} lines and {second.name} {m:,}; this is the last line of the shorter",
        file=shorter,
        line=line or None,
        fix="give as many lines of each",
    )


def there(file: Path, task: str) -> Path:
    """The file, or an `InputError` if a task lacks it."""
    if not file.is_file():
        raise InputError(f"{task} lacks this file", file=file, fix="add it, or give a folder without the task")
    return file


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """Number and line, without its end; Latin-1 where it is not UTF-8."""
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.split("\n")
    yield from enumerate((line.rstrip("\r") for line in lines[: -1 if lines[-1] == "" else None]), 1)


def cells_of(file: Path, least: int) -> Iterator[tuple[int, list[str]]]:
    """Number and fields between tabs, `least` or more."""
    for line, text in lines_of(file):
        cells = text.split("\t")
        if len(cells) < least:
            raise InputError(
                f"{len(cells)} fields where {least} or more belong", file=file, line=line, fix="correct the row"
            )
        yield line, cells


def first_line(file: Path) -> str:
    """The first line, "" of an empty file."""
    return next((text for _, text in lines_of(file)), "")


def spaced(text: str) -> str:
    """Words with one blank between them, as SentEval's are."""
    return " ".join(text.split())
