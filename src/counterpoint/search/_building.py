"""How a new index takes the place of what was in its folder."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.files import remove
from counterpoint.geometry import Ragged
from counterpoint.precision import Precision
from counterpoint.search import _folder
from counterpoint.search._given import Columns, kinds_of, ranges_of
from counterpoint.search._milvus import Collection, fill
from counterpoint.search._nonzero import Rows
from counterpoint.search._store import create, take_place
from counterpoint.search.exact import Metric


def describe(
    embeddings: Rows,
    columns: Columns,
    metric: Metric,
    fingerprint: str,
    language: str,
    approximate: bool | None,
    precision: Precision,
    uri: str,
    several: Ragged | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What a new index says of itself."""
    sparse = not isinstance(embeddings, np.ndarray)
    return {
        "format": _folder.SEVERAL if several is not None else _folder.SPARSE if sparse else _folder.FORMAT,
        "metric": metric,
        "dim": embeddings.shape[1],
        # under new names, so that the old is served until the new is whole
        "data": "" if uri else _folder.new_data(),
        "uri": uri,
        "collection": f"documents_{uuid.uuid4().hex}" if uri else "",
        "columns": kinds_of(columns) if uri else {},
        "language": language,
        "approximate": approximate,
        "fingerprint": fingerprint,
        "precision": precision,
        "several": several is not None,
        "metadata": dict(metadata or {}),
        "sparse": sparse,
        "ranges": None if precision == "float32" else ranges_of(embeddings, metric, fingerprint).to_json(),
    }


def put_in_place(
    folder: Path,
    about: dict[str, Any],
    token: str,
    ids: Sequence[str],
    texts: Sequence[str],
    embeddings: Rows,
    columns: Columns,
    progress: Callable[[int, int], None] | None,
    several: Ragged | None,
) -> None:
    """Write the documents of what `about` describes, make it the folder's index, and take the old one away."""
    old, new = _folder.previous(folder), not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if about["uri"]:
            fill(folder, about, token, ids, texts, embeddings, columns, progress)
        else:
            create(folder / about["data"], about, ids, texts, embeddings, columns, progress, several)
        take_place(folder, about)
    except BaseException:
        if about["data"]:
            remove(folder / about["data"])
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    _folder.remove_previous(folder, about["data"])
    if old.get("uri"):
        collection = Collection(old["uri"], old["collection"], old["metric"], token=token, folder=folder)
        with contextlib.closing(collection):
            collection.drop()
