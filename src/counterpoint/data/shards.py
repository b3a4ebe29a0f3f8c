"""A folder of shards: many files of one layout, read one after the other into files of texts, and never held whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from counterpoint.data.build import examples_of
from counterpoint.data.items import Data, Items
from counterpoint.data.schema import KNOWN_NAMES, ColumnMap, Roles, recognise
from counterpoint.data.stored import StoredTexts, TextWriter, first_of
from counterpoint.data.tables import read_table, shard_files
from counterpoint.data.types import Example, Rejected, Rejects
from counterpoint.errors import InputError
from counterpoint.files import atomic

__all__ = ["Shards", "read_shards", "shard_files"]

_SCHEMAS = ("texts", "pairs", "tuples")
_WIDEST = 128
"""Positives, or negatives, of a row."""


@dataclass(frozen=True)
class Shards:
    """What was read of a folder of shards.

    Attributes:
        data: Rows over stored texts.
        columns: Role -> column that was recognised.
        files: How many.
        rejected: Rows that were left out.
        notes: What a reader should know.
    """

    data: Data
    columns: dict[str, str]
    files: int
    rejected: list[Rejected]
    notes: tuple[str, ...] = ()


def read_shards(
    files: Sequence[Path],
    folder: Path,
    *,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    skip_bad: bool = False,
    say: Callable[[int, int, int], None] | None = None,
) -> Shards:
    """Read shards into files of texts in `folder`, and give rows over them: the same as of one file of all.

    Every shard is read once and kept whole or not at all, so what was killed goes on with the shard that it was at. A
    shard that has changed since is read again. Memory is that of some whole numbers a row, whatever the texts are.

    Args:
        files: As `shard_files` gives them.
        folder: Where to keep what was read.
        columns: As `read`.
        schema: As `read`: "texts", "pairs" or "tuples".
        skip_bad: As `read`.
        say: Told after each shard how many were read, how many there are, and the rows of all that were.

    Raises:
        InputError: Rows of another schema, shards with other columns, what `read` refuses, or a full disk.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for i, word in enumerate(("red", "blue")):
        ...     _ = (folder / f"{i}.jsonl").write_text('{"query": "%s", "document": "all"}\\n' % word)
        >>> data = read_shards(shard_files(folder), folder / "texts").data
        >>> list(data.anchors.values), list(data.others.values), data.positives.tolist()
        (['red', 'blue'], ['all'], [[0], [0]])
    """
    roles, names = _roles(files[0], columns, schema)
    parts, rejected, rows = [], list[Rejected](), 0
    for number, file in enumerate(files):
        part = folder / f"{number:05}"
        about = {"file": os.fspath(file.resolve()), "bytes": file.stat().st_size, "time": file.stat().st_mtime_ns}
        about |= {"columns": {role: list(names) for role, names in roles.columns.items()}, "skip_bad": skip_bad}
        about["schema"] = roles.schema
        known = _about(part)
        if {name: known.get(name) for name in about} != about:
            _write(part, file, roles, names, Rejects(os.fspath(file), skip_bad), about, columns, schema)
            known = _about(part)
        rejected += [Rejected(str(file), *bad) for bad in known["rejected"]]
        rows += known["rows"]
        parts.append(part)
        if say is not None:
            say(number + 1, len(files), rows)
    said = {role: ", ".join(names) for role, names in roles.columns.items()}
    return Shards(_data(parts, folder, os.fspath(files[0].parent), roles.schema), said, len(files), rejected)


def _roles(file: Path, columns: ColumnMap | None, schema: str | None) -> tuple[Roles, tuple[str, ...]]:
    table = read_table(file, Rejects(os.fspath(file), skip=True), KNOWN_NAMES)
    roles = recognise(table, os.fspath(file), columns, schema)
    if roles.schema not in _SCHEMAS or roles.nli or roles.columns.keys() & {"prompt", "pair_label"}:
        what = "pairs with labels or prompts" if roles.schema in ("pairs", "tuples") else f"{roles.schema} rows"
        fix = "give one file, or name the columns of pairs (--column anchor=NAME --column positive=NAME)"
        raise InputError(f"these shards hold {what}, and texts, pairs and tuples can be streamed", file=file, fix=fix)
    return roles, table.columns


def _about(part: Path) -> dict[str, Any]:
    try:
        known = json.loads((part / "about.json").read_text())
    except (OSError, ValueError):
        return {}
    return dict(known)


def _write(
    part: Path,
    file: Path,
    roles: Roles,
    first: tuple[str, ...],
    reject: Rejects,
    about: Mapping[str, Any],
    columns: ColumnMap | None,
    schema: str | None,
) -> None:
    """One shard: its texts in two files, what is known of them, and of each row how many there are."""
    with atomic(part) as made:
        made.mkdir()
        counts: tuple[list[int], list[int]] = ([], [])
        with (made / "anchors").open("wb") as one, (made / "others").open("wb") as other:
            anchors, others = TextWriter(one), TextWriter(other)
            for example in _read(file, roles, first, reject, columns, schema):
                anchors(example.anchor)
                for text in example.texts[1:]:
                    others(text)
                counts[0].append(len(example.positives))
                counts[1].append(len(example.negatives))
            known = {"anchors": anchors.finish(), "others": others.finish()}
        if (file.stat().st_size, file.stat().st_mtime_ns) != (about["bytes"], about["time"]):
            raise InputError("the shard was written to while it was read", file=file, fix="run the same again")
        for side, arrays in known.items():
            for name, values in arrays.items():
                np.save(made / f"{side}-{name}.npy", values)
        for name, count in zip(("positives", "negatives"), counts, strict=True):
            np.save(made / f"{name}.npy", np.array(count, dtype=np.int64))
        rejected = [[bad.line, bad.reason, bad.row] for bad in reject.rows]
        kept = {**about, "rows": len(counts[0]), "rejected": rejected}
        (made / "about.json").write_text(json.dumps(kept, default=repr))


def _read(
    file: Path, roles: Roles, first: tuple[str, ...], reject: Rejects, columns: ColumnMap | None, schema: str | None
) -> Iterator[Example]:
    table = read_table(file, reject, KNOWN_NAMES)
    needed = [roles.columns["anchor"], *([roles.columns["positive"]] if "positive" in roles.columns else [])]
    if not all(set(names) & set(table.columns) for names in needed):
        own = recognise(table, os.fspath(file), columns, schema)
        raise InputError(
            f"this shard has other columns ({', '.join(table.columns)}) than the first, of which "
            f"{', '.join(name for names in roles.columns.values() for name in names)} are read",
            file=file,
            fix=f"take it out of the folder; it looks like {own.schema}",
        )
    # what would be read of no other shard is refused, as where it comes late in a file
    return examples_of(replace(table, columns=first), roles, reject, None)


def _data(parts: Sequence[Path], folder: Path, source: str, schema: str) -> Data:
    """Rows over the texts of all parts."""
    anchors, anchor = _side(parts, folder, "anchors")
    if not len(anchors):
        raise InputError("no row can be used", file=source, fix="check the columns (columns=, --column)")
    counts = [np.concatenate([np.load(part / f"{name}.npy") for part in parts]) for name in ("positives", "negatives")]
    if schema == "texts":
        return Data(anchors, torch.from_numpy(anchor), source=source)
    others, other = _side(parts, folder, "others")
    start = np.concatenate([[0], np.cumsum(counts[0] + counts[1])[:-1]])
    positives = _matrix(other, start, counts[0])
    negatives = _matrix(other, start + counts[0], counts[1]) if counts[1].any() else None
    return Data(anchors, torch.from_numpy(anchor), others, positives, negatives, source=source)


def _side(parts: Sequence[Path], folder: Path, side: str) -> tuple[Items, NDArray[np.int64]]:
    def known(name: str) -> NDArray[np.int64]:
        return np.concatenate([np.load(part / f"{side}-{name}.npy") for part in parts])

    hashes = known("hash")
    first, which = first_of([hashes])
    hashes = hashes[first]
    contents = folder / f"{side}-contents.npy"
    found = known("content")[first]
    # whoever is not the first of several processes finds it there
    if not contents.exists() or not np.array_equal(np.load(contents, mmap_mode="r"), found):
        with atomic(contents) as made, made.open("wb") as file:
            np.save(file, found)
    del found
    lengths = known("length")
    starts = (np.cumsum(lengths) - lengths)[first]
    lengths = lengths[first].astype(np.int32)  # a text of 2 GB is none
    return Items("text", StoredTexts([p / side for p in parts], starts, lengths, hashes, contents)), which


def _matrix(
    values: NDArray[np.int64], start_n: NDArray[np.int64], count_n: NDArray[np.int64]
) -> torch.Tensor:  # fmt: skip
    """Of each row the values from its start, as many as it has, and -1."""
    width = int(count_n.max(initial=0))
    if width > _WIDEST:
        fix = f"divide it into rows of {_WIDEST} at most"
        raise InputError(f"a row has {width:,} positives or negatives, and so much room all rows need", fix=fix)
    if width == 1 and count_n.all():
        return torch.from_numpy(values[start_n][:, None])
    place = start_n[:, None] + np.arange(width)
    there = np.arange(width) < count_n[:, None]
    return torch.from_numpy(np.where(there, values[np.where(there, place, 0)], -1))
