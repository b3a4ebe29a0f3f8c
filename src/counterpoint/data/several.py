"""Several sources as one: rows of one kind and schema, each knowing where it is from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.data.loaded import Loaded
from counterpoint.data.memory import NAME
from counterpoint.data.reading import Reading
from counterpoint.data.rows import rows_of
from counterpoint.data.schema import ColumnMap
from counterpoint.data.sources import load_with, source_kind
from counterpoint.data.triples import load_triples
from counterpoint.data.types import Progress, TextData
from counterpoint.errors import InputError, refuse_string


def load_sources(
    sources: Sequence[Any],
    *,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    split: str | None = None,
    size: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Loaded:
    """Read sources of one kind and schema as one; options as `load_source`.

    Rows have the column `source`, a number into `sources`. All rows of all sources are there: a batch mixes them by
    size. Pairs and tuples go together, as tuples; so do grey pictures and coloured ones, as coloured. Triples of all
    sources are one graph, whose entities are known by their names. Columns that a source lacks are not kept, and that
    is noted. A part that some sources name (a test file) has the rows of these.

    Args:
        sources: One or more.
        columns: As `load_source`, for all of them.
        schema: As `load_source`.
        split: As `load_source`.
        size: As `load_source`.
        skip_bad: As `load_source`.
        progress: As `load_source`, for one after another.

    Raises:
        InputError: No source, sources of different kinds or schemas, pictures of different sizes, or what `load_source`
            raises.

    Examples:
        >>> loaded = load_sources([["a cat", "a dog"], ["a rose"]])
        >>> loaded.data.columns["source"].tolist(), loaded.describe()
        ([0, 0, 1], "read 3 texts from memory and memory: anchor = 'text'; 2 from memory, 1 from memory")
    """
    refuse_string(sources, "sources")
    if not sources:
        raise InputError("no source", fix="name one")
    reading = Reading(columns or {}, schema, split, size, skip_bad, progress)
    if len(sources) == 1:
        return load_with(sources[0], reading)
    names = tuple(os.fspath(source) if isinstance(source, str | os.PathLike) else NAME for source in sources)
    # what is in memory is read at once: it may be there only once
    ready = {i: load_with(source, reading) for i, source in enumerate(sources) if names[i] == NAME}
    kinds = [ready[i].kind if i in ready else source_kind(source, columns) for i, source in enumerate(sources)]
    _refuse_others(names, kinds)
    if kinds[0] == "triples":
        if ready:
            raise InputError("triples in memory among several sources", fix="give them as one, or as files")
        reading.check(names[0], "triples", "columns")
        return load_triples(sources, reading)
    # a split is of those that have any
    files = [i not in ready and Path(names[i]).is_file() for i in range(len(sources))]
    if all(files):
        reading.check(names[0], "files", "columns", "schema", "size")
    loaded = [
        ready[i] if i in ready else load_with(source, replace(reading, split=None) if files[i] else reading)
        for i, source in enumerate(sources)
    ]
    if kinds[0] != "texts":
        _refuse_others(names, [each.data.schema for each in loaded])
        one = _pictures(loaded, names)
    else:
        one = _texts(loaded, names)
    return replace(one, sources=names, rejected=[bad for each in loaded for bad in each.rejected])


def _refuse_others(names: Sequence[str], what: Sequence[str]) -> None:
    for name, each in zip(names, what, strict=True):
        if each != what[0]:
            said = f"holds {each}, and {names[0]} {what[0]}"
            raise InputError(said, file=name, fix="give sources of one kind")


def _texts(loaded: Sequence[Loaded], names: Sequence[str]) -> Loaded:
    texts = [each.texts for each in loaded]
    read: list[TextData] = []
    for each, name in zip(texts, names, strict=True):
        if not isinstance(each, TextData):
            raise InputError("a retrieval test among several sources", file=name, fix="give it alone")
        read.append(each)
    schemas = ["tuples" if each.schema == "pairs" else each.schema for each in read]
    _refuse_others(names, [each.schema for each in read] if len(set(schemas)) > 1 else schemas)
    _refuse_others(names, ["sets of labels" if each.multilabel else "labels" for each in read])
    source = " and ".join(names)
    schema = "pairs" if all(each.schema == "pairs" for each in read) else schemas[0]
    sizes = ", ".join(f"{len(each):,} from {name}" for each, name in zip(read, names, strict=True))
    notes = dict.fromkeys((*(note for each in read for note in each.notes), sizes))
    examples = [example for each in read for example in each.examples]
    rejected = [bad for each in read for bad in each.rejected]
    one = TextData(schema, examples, source, read[0].columns, tuple(notes), rejected)
    number = torch.arange(len(read)).repeat_interleave(torch.tensor([len(each) for each in read]))
    data = rows_of(examples, source)
    return Loaded("texts", replace(data, columns={**data.columns, "source": number}), source, texts=one)


def _pictures(loaded: Sequence[Loaded], names: Sequence[str]) -> Loaded:
    source = " and ".join(names)
    notes = list(dict.fromkeys(note for each in loaded for note in each.notes))
    notes.append(", ".join(f"{len(each.data):,} from {name}" for each, name in zip(loaded, names, strict=True)))
    parts: dict[str, Data | None] = {}
    for part in ("data", "dev", "test"):
        there = {i: data for i, each in enumerate(loaded) if (data := getattr(each, part)) is not None}
        parts[part] = _cat(there, source, notes) if there else None
        if there and len(there) < len(loaded):
            notes.append(f"{part} of {', '.join(names[i] for i in there)} alone")
    data = parts["data"]
    assert data is not None  # every source has rows
    columns = loaded[0].columns
    notes = list(dict.fromkeys(notes))
    return Loaded(loaded[0].kind, data, source, parts["dev"], parts["test"], columns, tuple(notes))


def _cat(parts: Mapping[int, Data], source: str, notes: list[str]) -> Data:
    """Rows of pictures, one source after another, each with its number."""
    several = list(parts.values())
    anchors = _cat_pictures([each.anchors for each in several], source, notes)
    others = [each.others for each in several if each.others is not None]
    shift = 0
    positives = list[Tensor]()
    for each in several:
        if each.others is not None and each.positives is not None:
            positives.append(each.positives + shift)
            shift += len(each.others)
    kept = set.intersection(*(set(each.columns) for each in several))
    if lost := set.union(*(set(each.columns) for each in several)) - kept:
        notes.append(f"columns that not all sources have, not kept: {', '.join(sorted(lost))}")
    columns = {name: torch.cat([each.columns[name] for each in several]) for name in sorted(kept - {"label"})}
    classes = tuple(sorted({name for each in several for name in each.classes}))
    if "label" in kept:
        place = [torch.tensor([classes.index(name) for name in each.classes]) for each in several]
        columns["label"] = torch.cat([p[each.columns["label"]] for p, each in zip(place, several, strict=True)])
    sizes = torch.tensor([len(each) for each in several])
    columns["source"] = torch.tensor(list(parts)).repeat_interleave(sizes)
    items = torch.tensor([len(each.anchors) for each in several])
    begin = items.cumsum(0) - items
    return Data(
        anchors,
        torch.cat([each.anchor + start for each, start in zip(several, begin.tolist(), strict=True)]),
        Items.cat(others) if others else None,
        torch.cat(positives) if others else None,
        columns=columns,
        source=source,
        classes=classes,
    )


def _cat_pictures(parts: Sequence[Items], source: str, notes: list[str]) -> Items:
    """Pictures of one size, in colour where some are."""
    tensors = [part.tensor for part in parts]
    if len(shapes := sorted({f"{t.shape[3]} x {t.shape[2]}" for t in tensors})) > 1:
        raise InputError(
            f"pictures of {' and of '.join(shapes)} pixels", file=source, fix="give them one size (size=, --size)"
        )
    if any(t.dtype != torch.uint8 for t in tensors):
        tensors = [t.float() / 255 if t.dtype == torch.uint8 else t for t in tensors]
    channels = sorted({t.shape[1] for t in tensors})
    if channels == [1, 3]:
        notes.append("grey pictures are in three equal colours, as others are coloured")
        tensors = [t.expand(-1, 3, -1, -1) for t in tensors]
    return Items.cat([replace(part, values=t) for part, t in zip(parts, tensors, strict=True)])
