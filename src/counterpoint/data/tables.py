"""Files to rows: JSONL, CSV, TSV, Parquet, Arrow and plain text, streamed, each row with its line."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from counterpoint.data.jsonrows import json_rows
from counterpoint.data.lines import read_lines
from counterpoint.data.types import Progress, Rejects
from counterpoint.errors import InputError

Row = dict[str, Any]
_SHARDS = (".parquet", ".pq", ".jsonl", ".ndjson")
SNIFF = 1000  # rows looked at before the schema is decided
FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "text",
    ".text": "text",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass
class Table:
    """Rows with named columns; `rows` can be read once.

    Attributes:
        columns: Names in order; "1", "2", ... where the file gives none.
        rows: (line, row) pairs, the row a dict from column to cell.
        named: Whether the file names its columns.
        notes: What was noticed on the way.
        sample: The first rows, which `rows` yields again.
        labels: The columns that are known to be class labels.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]]
    named: bool = True
    notes: list[str] = field(default_factory=list)
    sample: list[Row] = field(default_factory=list)
    labels: tuple[str, ...] = ()


def suffix(path: Path) -> str:
    """The extension that names the format, without `.gz`.

    Examples:
        >>> suffix(Path("train.JSONL.gz"))
        '.jsonl'
    """
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_table(
    path: Path,
    reject: Rejects,
    names: Iterable[str] = (),
    progress: Progress | None = None,
    *,
    form: str | None = None,
    ahead: bool = True,
) -> Table:
    """Open a data file as a `Table`, by its extension (`FORMATS`, each also with `.gz` but Parquet).

    Args:
        path: The file.
        reject: Called with every row that cannot be read.
        names: Column names that are known or asked for: a first row of a CSV or TSV file that holds one
            is its header.
        progress: Called with the bytes (Parquet: rows) read and the total.
        form: What the file is, whatever its extension says: a value of `FORMATS`.
        ahead: Read a TSV file once before, to find out whether quotes enclose its fields; else they are text.

    Raises:
        InputError: The extension is unknown, the file empty, truncated, or not UTF-8.
    """
    form = form or FORMATS.get(suffix(path))
    if form is None or (form == "parquet" and path.suffix == ".gz"):
        raise InputError(
            f"unknown kind of file {''.join(path.suffixes[-2:])!r}",
            file=path,
            fix=f"rename or convert it to one of {', '.join(FORMATS)} (text formats also .gz)",
        )
    if form == "jsonl":
        return keyed(json_rows(path, reject, progress), path, reject)
    if form == "parquet":
        return keyed(_parquet_rows(path, progress), path, reject)
    if form == "text":
        rows = (
            (number, {"text": text})
            for number, line in read_lines(path, reject, progress)
            if (text := line.removesuffix("\n").removesuffix("\r")).strip()
        )
        return keyed(rows, path, reject)
    quoted = True if form == "csv" else _quotes_fields(path) if ahead else None
    return _delimited(path, form, quoted, reject, names, progress)


def shard_files(source: Any) -> list[Path]:
    """The shards in a folder, in the order of their names; none if it is another kind of source.

    Shards are Parquet or JSON lines, all of one form. Where names begin with "train", those alone are.

    Examples:
        >>> shard_files("nowhere"), shard_files(["texts", "in memory"])
        ([], [])
    """
    if not isinstance(source, str | os.PathLike) or not Path(source).is_dir():
        return []
    files = sorted(f for f in Path(source).iterdir() if f.is_file() and suffix(f) in _SHARDS and f.name[0] != ".")
    forms = {FORMATS[suffix(file)] for file in files}
    if len(forms) != 1 or any(f.name.split(".")[0] in ("corpus", "queries", "captions", "metadata") for f in files):
        return []
    return [f for f in files if f.name.startswith("train")] or files


def chained(files: Sequence[Path], reject: Rejects, names: Iterable[str], progress: Progress | None) -> Table:
    """The rows of several files of one layout, one file after the other.

    Args:
        files: Of which the first says what the columns are.
        reject: Says of each row in which file it is.
        names: As `read_table`.
        progress: Called with the bytes of the files that are done, and of all.
    """
    first, sizes = read_table(files[0], reject, names), [file.stat().st_size for file in files]

    def rows() -> Iterator[tuple[int, Row]]:
        for number, file in enumerate(files):
            reject.file = str(file)
            yield from first.rows if number == 0 else read_table(file, reject, names).rows
            if progress is not None:
                progress(sum(sizes[: number + 1]), sum(sizes))

    return replace(first, rows=rows())


def keyed(rows: Iterator[tuple[int, Row]], path: str | Path, reject: Rejects, sniff: int = SNIFF) -> Table:
    """A `Table` of rows that carry their own keys; its columns are the keys of the first `sniff` rows."""
    head = list(itertools.islice(rows, sniff))
    if not head:
        raise InputError(
            nothing_read(reject, "the file is empty"), file=path, fix="give a file that holds at least a few rows"
        )
    columns = tuple(dict.fromkeys(key for _, row in head for key in row))
    return Table(
        columns,
        itertools.chain(head, rows),
        named=any(not column.isdecimal() for column in columns),
        sample=[row for _, row in head],
    )


def _parquet_rows(path: Path, progress: Progress | None) -> Iterator[tuple[int, Row]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            total = file.metadata.num_rows
            yield from arrow_rows(file.iter_batches(1024), total=total, progress=progress)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"not a whole Parquet file: {reason}", file=path, fix="fetch or write it again") from error


def arrow_rows(
    batches: Iterable[Any],
    labels: Mapping[str, Sequence[str]] | None = None,
    total: int = 0,
    progress: Progress | None = None,
) -> Iterator[tuple[int, Row]]:
    """Rows of Arrow batches, numbered from 1; `labels` gives the names of class-label columns."""
    number = 0
    for batch in batches:
        # few at a time: a row may hold a picture
        for start in range(0, batch.num_rows, 64):
            for row in batch.slice(start, 64).to_pylist():
                number += 1
                for column, names in (labels or {}).items():
                    row[column] = _class_names(row.get(column), names)
                yield number, row
        if progress is not None:
            progress(number, total)


def _class_names(value: Any, names: Sequence[str]) -> Any:
    """The names of a class, or of a list of them, by number; -1 is "no label" by convention."""
    if isinstance(value, list):
        return [_class_names(item, names) for item in value]
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _delimited(
    path: Path, form: str, quoted: bool | None, reject: Rejects, names: Iterable[str], progress: Progress | None
) -> Table:
    delimiter = "\t" if form == "tsv" else _delimiter(path)
    cells = _fields(path, delimiter, bool(quoted), reject, progress)
    head = list(itertools.islice(cells, SNIFF))
    if not head:
        raise InputError(
            nothing_read(reject, "the file is empty"), file=path, fix="give a file that holds at least a few rows"
        )
    named = _has_header([fields for _, fields in head], set(names))
    width = len(head[0][1])
    columns = tuple(str(i) for i in range(1, width + 1))
    if named:
        columns = tuple(name.strip() or number for name, number in zip(head[0][1], columns, strict=True))
        if len(set(columns)) < width:
            twice = next(name for name in columns if columns.count(name) > 1)
            raise InputError(f"two columns are named {twice!r}", file=path, line=head[0][0], fix="rename one")
        head = head[1:]
        if not head:
            raise InputError("a header and no rows", file=path, fix="give a file that holds rows")

    def rows() -> Iterator[tuple[int, Row]]:
        for number, fields in itertools.chain(head, cells):
            if len(fields) == width:
                yield number, dict(zip(columns, fields, strict=True))
            else:
                source = "header" if named else "first row"
                reason = f"{len(fields)} fields where the {source} has {width}"
                reject(reason, number, fields)

    sample = [dict(zip(columns, fields, strict=True)) for _, fields in head if len(fields) == width]
    notes = [] if named else ["no header, columns are numbered from 1"]
    if quoted is False:
        notes.append("quotes are part of the text")
    return Table(columns, rows(), named, notes, sample)


def _delimiter(path: Path) -> str:
    """The delimiter of a CSV file: a comma, or the semicolon or tab that divides its first rows alike."""
    lines = (line for _, line in read_lines(path, Rejects("", skip=True)))
    head = list(itertools.islice(lines, 20))
    if head and "," not in head[0]:
        for delimiter in ";\t":
            with contextlib.suppress(csv.Error):
                rows = [len(row) for row in csv.reader(head, delimiter=delimiter) if row]
                # the last of the lines may end within a row
                if rows and rows[0] > 1 and set(rows[:-1]) <= {rows[0]}:
                    return delimiter
    return ","


def _fields(
    path: Path, delimiter: str, quoted: bool, reject: Rejects, progress: Progress | None
) -> Iterator[tuple[int, list[str]]]:
    lines = read_lines(path, reject, progress)
    if not quoted:
        for number, line in lines:
            if line.strip():
                yield number, line.removesuffix("\n").removesuffix("\r").split(delimiter)
        return
    taken: list[tuple[int, str]] = []  # the lines of the row being read

    def feed() -> Iterator[str]:
        for number, line in lines:
            taken.append((number, line))
            yield line

    csv.field_size_limit(2**31 - 1)  # a whole document is a field like any other
    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"not well-formed CSV: {error}"
            if "unexpected end" in str(error):
                reason = "a quote opens in this row and never closes"
            reject(reason, taken[0][0], "".join(line for _, line in taken)[:1000])
            continue
        if fields:
            yield taken[0][0], fields


def _quotes_fields(path: Path) -> bool | None:
    """Whether quotes in a TSV file enclose fields (as in CSV), or are text; None if none begins a field.

    They enclose fields if the whole file is well-formed that way: every quote that begins a field also ends
    one, inner ones are doubled, and all rows have as many fields, unless they have not when quotes are text
    either.
    """
    lines = (line for _, line in read_lines(path, Rejects("", skip=True)))
    if not any(line.startswith('"') or '\t"' in line for line in lines):
        return None
    quiet = Rejects(str(path), skip=True)
    widths = {len(fields) for _, fields in _fields(path, "\t", True, quiet, None)}
    if any("CSV" in row.reason or "quote" in row.reason for row in quiet.rows):
        return False
    if len(widths) == 1:
        return True
    return len({len(fields) for _, fields in _fields(path, "\t", False, quiet, None)}) > 1


def _has_header(head: list[list[str]], names: set[str]) -> bool:
    """Whether the first row of a CSV or TSV file names the columns."""
    first, rest = [cell.strip() for cell in head[0]], head[1:]
    known = [cell in names or plain(cell) in names for cell in first]
    if all(known):
        return True
    filled = [cell for cell in first if cell]
    if not filled or len(set(filled)) < len(filled) or any(is_number(cell) for cell in filled):
        return False
    columns = list(zip(*(row for row in rest if len(row) == len(first)), strict=True))
    if any(cell in column for cell, column in zip(first, columns, strict=False)):
        return False  # a name is no value of its own column
    if any(known):
        return all(len(cell) <= 64 for cell in first)
    if any(sum(map(is_number, column)) > 0.9 * len(column) for column in columns):
        return True  # the first row is no number where the others are
    words = all(re.fullmatch(r"[^\W\d][\w.-]{0,39}", cell) for cell in first)
    return words and any(sum(" " in cell.strip() for cell in column) > len(column) / 2 for column in columns)


def nothing_read(reject: Rejects, empty: str) -> str:
    """Why there are no rows: the first reason for which one was rejected, else `empty`."""
    if reject.rows:
        return f"no row can be read (the first: {reject.rows[0].reason})"
    return empty


def plain(name: str) -> str:
    """A column name in lower case, with underscores.

    Examples:
        >>> plain(" Hard-Negative 1")
        'hard_negative_1'
    """
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def is_number(cell: Any) -> bool:
    """Whether a cell is a number or reads as one (NaN and infinity included)."""
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
