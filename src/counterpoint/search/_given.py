"""What is given to be indexed, checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.errors import InputError, refuse_string
from counterpoint.search._where import Kind, Scalar, check_text, kind_of, plain

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder

Columns = Mapping[str, Sequence[Scalar]]
"""By name, one value a document: a string, a number, True or False, or None for none."""

LIMIT = 65_535  # bytes of an id or a text in a Milvus VARCHAR


def plain_columns(columns: Columns | None) -> dict[str, list[Any]]:
    """With Python's own values in place of NumPy's."""
    for name, values in (columns or {}).items():
        refuse_string(values, f"the column {name}")
    return {name: [plain(value) for value in values] for name, values in (columns or {}).items()}


def kinds_of(columns: Columns) -> dict[str, list[Kind]]:
    return {
        name: sorted({kind for value in values if (kind := kind_of(value, name))}) for name, values in columns.items()
    }


def check_given(ids: Sequence[str], texts: Sequence[str], embeddings: np.ndarray, columns: Columns, uri: str) -> None:
    refuse_string(ids, "ids")
    refuse_string(texts, "texts")
    if embeddings.ndim != 2 or not len(ids) == len(texts) == len(embeddings):
        raise InputError(
            f"{len(ids)} ids, {len(texts)} texts and embeddings of shape {embeddings.shape} do not fit",
            fix="give one of each for every document",
        )
    if len(ids) == 0 or embeddings.shape[1] == 0:
        raise InputError("there is nothing to index", fix="give at least one document")
    for name, text in zip(ids, texts, strict=True):
        check_text(name, "an id")
        check_text(text, f"the text of {name!r}")
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise InputError(f"the id {twice!r} stands twice", fix="give every document its own")
    bad = [name for name in ids if not name or (uri and len(name.encode()) > LIMIT)]
    if bad:
        raise InputError(
            f"the id {bad[0][:40]!r} has {len(bad[0].encode()):,} bytes",
            fix=f"use 1 to {LIMIT:,}" if uri else "give one",
        )
    for name, values in columns.items():
        check_text(name, "a column's name")
        if not name or len(values) != len(ids):
            raise InputError(
                f"the column {name!r} has {len(values)} values for {len(ids)} documents", fix="give one for each"
            )
        for identifier, value in zip(ids, values, strict=True):
            kind_of(value, f"the column {name} of {identifier!r}")


def check_ids(ids: Sequence[str]) -> None:
    """Refuse ids that no document can have, such as one string for all, or numbers: they would never be found."""
    refuse_string(ids, "ids")
    for name in ids:
        check_text(name, "an id")


def fingerprint_of(encoder: TextEncoder) -> str:
    """See `counterpoint.encoders.fingerprint`."""
    from counterpoint.encoders import fingerprint

    return fingerprint(encoder)
