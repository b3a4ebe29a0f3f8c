"""Data that are in memory already: lists, data frames, datasets, arrays of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from counterpoint.data.arrays import from_arrays
from counterpoint.data.build import build
from counterpoint.data.hub import by_part, dataset_table
from counterpoint.data.items import Data
from counterpoint.data.loaded import Loaded, SourceKind
from counterpoint.data.picture_tables import Open, load_picture_table, shows
from counterpoint.data.reading import Reading
from counterpoint.data.rows import judged_rows, rows_of
from counterpoint.data.schema import recognise
from counterpoint.data.tables import Row, keyed
from counterpoint.data.triples import graph_of, seems_triples
from counterpoint.data.types import Example, Rejects, Retrieval, TextData
from counterpoint.errors import InputError

NAME = "memory"
"""What data in memory are called where a source is named."""


def load_memory(source: Any, reading: Reading = Reading()) -> Loaded:
    """Data in memory, as rows over items.

    | source | read as |
    |---|---|
    | a list of texts, tuples or dicts; a pandas or polars `DataFrame` | a table of texts, pictures or triples |
    | a pyarrow `Table`, a `datasets.Dataset` or `DatasetDict` | the same |
    | an array of pictures, a tuple of it and labels, a dict of arrays | as `from_arrays` |
    | `Data`, `TextData`, `Retrieval`, a list of `Example` | what it is |

    Pictures in a table are files, their bytes (`{"bytes": ...}`) or open ones (`PIL.Image.Image`). Bad rows are counted
    from 1.

    Args:
        source: The data.
        reading: As `load_source` says.

    Raises:
        InputError: It is nothing of these, or a row is bad.

    Examples:
        >>> loaded = load_memory([("what is a cat?", "an animal"), ("what is a rose?", "a flower")])
        >>> loaded.data.schema, loaded.describe()
        ('pairs', "read 2 pairs from memory: anchor = '1', positive = '2'")
        >>> load_memory((np.zeros((4, 8, 8)), [0, 1, 0, 1])).describe()
        'read 4 pictures of 8 x 8 pixels, grey, in 2 classes, from memory'
    """
    if (ready := _ready(source)) is not None:
        reading.check(NAME, f"{ready.kind} that are rows already")
        return ready
    if (arrays := _arrays(source)) is not None:
        reading.check(NAME, "arrays of pictures")
        return from_arrays(arrays, NAME)
    if _comes_from(source, "datasets"):
        return load_datasets(source if isinstance(source, Mapping) else {"train": source}, NAME, reading)
    reading.check(NAME, "a table", "columns", "schema", "size")
    rows = list(_rows(source))
    if not rows:
        raise InputError("no rows", file=NAME, fix="give some")
    if all(row.keys() == {"text"} and _is_there(row["text"]) for row in rows):
        what = f"{len(rows):,} names of files, which are texts here"
        raise InputError(what, file=NAME, fix="give one file, or several with load_sources")
    return _load({"train": lambda reject: keyed(iter(enumerate(rows, 1)), NAME, reject)}, NAME, reading)


def load_datasets(splits: Mapping[str, Any], name: str, reading: Reading) -> Loaded:
    """The splits of a dataset (`datasets.Dataset`) that are its parts, or `reading.split` alone.

    Raises:
        InputError: No split to train on.
    """
    found = by_part(splits, reading.split)
    if found.get("train") not in splits:
        wanted = reading.split or "train"
        raise InputError(f"no split {wanted!r} (there is {', '.join(splits)})", file=name, fix="name one")

    def opened(data: Any) -> Open:
        return lambda reject: dataset_table(data, name, reject)

    return _load({part: opened(splits[each]) for part, each in found.items()}, name, reading)


def _load(tables: Mapping[str, Open], name: str, reading: Reading) -> Loaded:
    reject = reading.rejects(name)
    first = tables["train"](Rejects(name, skip=True))
    if seems_triples(first, reading.columns):
        reading.check(name, "triples", "columns", "split")
        given = [(part, 0, opened(reject), reject) for part, opened in tables.items()]
        return graph_of(given, reading.columns, reject)
    if any(shows([row.get(column) for row in first.sample]) for column in first.columns):
        reading.check(name, "pictures", "columns", "split", "size")
        parts = {part: (opened, _file, name) for part, opened in tables.items()}
        return load_picture_table(parts, name, reading)
    reading.check(name, "texts", "columns", "schema", "split")
    texts: dict[str, TextData] = {}
    for part, opened in tables.items():
        table = opened(reject)
        texts[part] = build(table, recognise(table, name, reading.columns, reading.schema), name, reject)
    rows = {part: rows_of(data.examples, name) for part, data in texts.items()}
    return Loaded(
        "texts", rows["train"], name, rows.get("dev"), rows.get("test"), rejected=reject.rows, texts=texts["train"]
    )


def _ready(source: Any) -> Loaded | None:
    """What is rows, examples or pictures already."""
    if isinstance(source, Loaded):
        return source
    if isinstance(source, Data):
        kinds: dict[str, SourceKind] = {"text": "texts", "query": "triples"}
        kind = kinds.get(source.anchors.modality, "pictures" if source.others is None else "pictures with texts")
        return Loaded(kind, source, source.source or NAME)
    if isinstance(source, list) and source and all(isinstance(each, Example) for each in source):
        return Loaded("texts", rows_of(source, NAME), NAME)
    if isinstance(source, TextData):
        return Loaded("texts", rows_of(source.examples, source.source), source.source, texts=source)
    if isinstance(source, Retrieval):
        return Loaded("texts", judged_rows(source), source.source, texts=source)
    return None


def _arrays(source: Any) -> dict[str, np.ndarray] | None:
    """Arrays of pictures by name, if it is such."""
    if isinstance(source, np.ndarray | Tensor):
        return {"images": np.asarray(source)}
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], np.ndarray | Tensor):
        return {"images": np.asarray(source[0]), "labels": np.asarray(source[1])}
    if isinstance(source, dict) and any(isinstance(each, np.ndarray | Tensor) for each in source.values()):
        return {name: np.asarray(each) for name, each in source.items()}
    return None


def _rows(source: Any) -> Iterator[Row]:
    """The rows of a list or a frame, each a dict from column to cell."""
    frame = hasattr(source, "columns") and not hasattr(source, "collect")
    if not frame and (_comes_from(source, "pandas") or _comes_from(source, "polars")):
        # one column, or a query that has not run
        raise InputError(f"a {type(source).__name__} where rows belong", file=NAME, fix=_FIX)
    if _comes_from(source, "pandas"):
        names = [str(column) for column in source.columns]
        # missing values are NaN there, whatever the column holds
        yield from (
            {name: None if cell is None or cell != cell else cell for name, cell in zip(names, row, strict=True)}
            for row in source.astype(object).itertuples(index=False, name=None)
        )
    elif _comes_from(source, "polars"):
        yield from source.iter_rows(named=True)
    elif _comes_from(source, "pyarrow"):
        yield from source.to_pylist()
    elif isinstance(source, Iterable) and not isinstance(source, str | bytes | Mapping):
        for each in source:
            if isinstance(each, dict):
                yield each
            elif isinstance(each, str):
                yield {"text": each}
            elif isinstance(each, Image.Image):
                yield {"image": each}
            elif isinstance(each, Sequence) and not isinstance(each, bytes):
                yield {str(i): cell for i, cell in enumerate(each, 1)}
            else:
                raise InputError(f"a list of {type(each).__name__} where rows belong", file=NAME, fix=_FIX)
    else:
        raise InputError(f"data of type {type(source).__name__}", file=NAME, fix=_FIX)


_FIX = "give a list of texts, tuples or dicts, a data frame, a dataset, or an array of pictures"


def _is_there(name: Any) -> bool:
    try:
        return isinstance(name, str) and Path(name).exists()
    except OSError:  # a text is longer than a name may be
        return False


def _comes_from(source: Any, package: str) -> bool:
    # asked of the object, so that no package is imported for data of another
    return type(source).__module__.split(".")[0] == package


def _file(name: str) -> Path | None:
    return Path(name) if _is_there(name) and Path(name).is_file() else None
