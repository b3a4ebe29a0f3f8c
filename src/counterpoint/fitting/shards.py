"""Shards for a run: read into files, split, and what is held out in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoint.data import normalise, write_rejects
from counterpoint.data.items import Data, Items
from counterpoint.data.row_splits import kept_apart, split_data
from counterpoint.data.rows import rows_of
from counterpoint.data.shards import Shards, read_shards
from counterpoint.data.stored import compact
from counterpoint.data.types import Rejected, Retrieval
from counterpoint.errors import InputError
from counterpoint.fitting.parts import About, Parts, amount, is_file
from counterpoint.fitting.texts import read_own, unseen, with_answers
from counterpoint.training._processes import Processes

HELD = {"dev": 2_000, "test": 5_000}
"""The most rows that a fraction of shards holds out: of millions a fraction would be searched in for hours."""


def load_shards(
    files: Sequence[Path],
    reading: Mapping[str, Any],
    dev: float | int | str,
    test: float | int | str,
    seed: int,
    output: Path | None,
    stored: Path,
    say: Callable[[str], None],
) -> Parts:
    """Read shards and split them as one file with all their rows would be; what is held out is in memory.

    Args:
        files: The shards.
        reading: As `load_parts`; options of `read_shards`.
        dev: As `load_parts`; a fraction holds out `HELD` rows at most.
        test: The same.
        seed: Of the split.
        output: Where rejected rows are listed; None: nowhere.
        stored: Where the texts are kept.
        say: Told how far reading is.

    Raises:
        InputError: What `read_shards` and splits refuse.
    """
    if reading.get("split"):
        raise InputError("--split is of datasets, not of shards", file=files[0].parent, fix="give a folder of one part")
    options: dict[str, Any] = {name: reading.get(name) for name in ("columns", "schema")}
    options["skip_bad"] = bool(reading.get("skip_bad"))

    def told(done: int, of: int, rows: int) -> None:
        if done in (1, of) or done * 10 // of > (done - 1) * 10 // of:
            say(f"read {done:,} of {of:,} shards, {rows:,} rows")

    processes = Processes.current()
    if not processes.first:
        processes.wait()
    read = read_shards(files, stored, **options, say=told if processes.first else None)
    if processes.first:
        processes.wait()
    data, described = read.data, _describe(read)
    rejected = list(read.rejected)
    held: dict[str, Any] = {}
    for name, part in (("dev", dev), ("test", test)):
        if is_file(part):
            held[name], bad = _own(name, str(part), read, options)
            rejected += bad
    if output is not None and rejected:
        write_rejects(rejected, output / "rejected.jsonl")
        described += f"; {len(rejected):,} rows left out, listed in {output / 'rejected.jsonl'}"
    sizes = {}
    for name, part in (("dev", dev), ("test", test)):
        wanted = 0 if name in held else amount(part)
        sizes[name] = min(HELD[name], round(wanted * len(data)) or 1) if 0 < wanted < 1 else wanted
        if 0 < wanted < 1 and sizes[name] == HELD[name]:
            described += f"; {name}: {HELD[name]:,} rows, the most that a fraction of shards holds out"
    train, *cut = split_data(data, seed=seed, **sizes)
    parts = dict(zip(("dev", "test"), map(compact, cut), strict=True)) | held
    if held:
        train, before = kept_apart(train, *map(_asked, held.values())), len(train)
        if before > len(train):
            described += f"; {before - len(train):,} rows left out of training, their texts are in dev or test"
        # nobody chooses by what is measured
        dev_part, test_part = parts["dev"], parts["test"]
        if not isinstance(dev_part, Retrieval):
            parts["dev"] = kept_apart(dev_part, _asked(test_part))
            if left := len(dev_part) - len(parts["dev"]):
                described += f"; dev: {left:,} rows left out, their texts are in the test, too"
        elif isinstance(test_part, Retrieval):
            parts["dev"], left = unseen(dev_part, set(map(normalise, test_part.queries.values())))
            described += f"; dev: {left:,} queries left out, as they are in the test, too" if left else ""
    schema = data.schema if data.schema != "items" else "texts"
    about = About(str(files[0].parent), schema, read.columns, rejected=len(rejected))
    return Parts(train, parts["dev"], parts["test"], described, about)


def _describe(read: Shards) -> str:
    columns = ", ".join(f"{role} = {names!r}" for role, names in read.columns.items())
    schema = "texts" if read.data.schema == "items" else read.data.schema
    return f"read {len(read.data):,} {schema} from {read.files:,} shards of {read.data.source}: {columns}"


def _own(name: str, file: str, read: Shards, options: Mapping[str, Any]) -> tuple[Data | Retrieval, list[Rejected]]:
    """A file of its own for dev or test, in memory, and its bad rows."""
    other = read_own(file, options)
    if isinstance(other, Retrieval):
        # texts alone are what is searched: how well they are found is for queries to tell
        if read.data.schema != "items":
            fix = "give pairs, or read the training data as one file"
            raise InputError(f"the {name} data are queries with documents, and the shards pairs", file=file, fix=fix)
        return with_answers(other), other.rejected
    rows = rows_of(other.examples, other.source)
    if rows.schema != read.data.schema:
        raise InputError(f"the {name} data is not {read.data.schema} like the shards", file=file, fix="give the same")
    return rows, other.rejected


def _asked(part: Data | Retrieval) -> Data:
    """What nobody may train on: of a test by queries these alone."""
    return Data.alone(Items("text", list(part.queries.values()))) if isinstance(part, Retrieval) else part
