"""What is given to be indexed, checked before anything is written."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Ragged
from counterpoint.precision import PRECISIONS, Ranges, fit_ranges
from counterpoint.search._nonzero import Rows
from counterpoint.search._segments import comparable_blocks
from counterpoint.search._where import Kind, Scalar, check_text, kind_of, plain
from counterpoint.search.exact import INDEXED, Metric

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from counterpoint.encoders._base import TextEncoder

Columns = Mapping[str, Sequence[Scalar]]
"""By name, one value a document: a string, a number, True or False, or None for none."""

Embeddings: TypeAlias = "Float[np.ndarray, 'n d'] | csr_array | Ragged"
"""One vector an item, with or without its zeros, or several."""

LIMIT = 65_535  # bytes of an id or a text in a Milvus VARCHAR
_SAMPLE = 16_384  # vectors that ranges are fitted on
_OUTSIDE = 0.01  # share of values outside the ranges from which it is said; of texts of the same kind it is 0.0001


def plain_columns(columns: Columns | None) -> dict[str, list[Any]]:
    """With Python's own values in place of NumPy's."""
    for name, values in (columns or {}).items():
        refuse_string(values, f"the column {name}")
    return {name: [plain(value) for value in values] for name, values in (columns or {}).items()}


def kinds_of(columns: Columns) -> dict[str, list[Kind]]:
    return {
        name: sorted({kind for value in values if (kind := kind_of(value, name))}) for name, values in columns.items()
    }


def with_columns(about: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """What an index in a cluster says of itself once it has these columns, too."""
    had = about["columns"]
    known = {name: sorted({*had.get(name, ()), *kinds}) for name, kinds in kinds_of(columns).items()}
    return {**about, "columns": had | known}


def check_given(ids: Sequence[str], texts: Sequence[str], embeddings: Rows, columns: Columns, uri: str) -> None:
    refuse_string(ids, "ids")
    refuse_string(texts, "texts")
    if embeddings.ndim != 2 or not len(ids) == len(texts) == embeddings.shape[0]:
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


def parted(embeddings: Embeddings, *, sparse: bool = False) -> tuple[Rows, Ragged | None]:
    """One vector an item, the mean where there are several; and all of these. `sparse`: without zeros in any case."""
    if isinstance(embeddings, Ragged):
        return embeddings.means(), embeddings
    if not (sparse or hasattr(embeddings, "tocsr")):
        return np.asarray(embeddings), None
    from scipy.sparse import csr_array

    return csr_array(embeddings), None


def check_ids(ids: Sequence[str]) -> None:
    """Refuse ids that no document can have, such as one string for all, or numbers: they would never be found."""
    refuse_string(ids, "ids")
    for name in ids:
        check_text(name, "an id")


def check_model(encoder: TextEncoder, about: Mapping[str, Any], folder: Path) -> None:
    """Whether it is the one that made the index.

    Raises:
        InputError: It is not.
    """
    if about["fingerprint"] not in ("", fingerprint_of(encoder)):
        model = about["metadata"].get("model")
        width = about["metadata"].get("dim") or encoder.dim
        widths = f" ({encoder.dim} dimensions, not {about['dim']})" if width != about["dim"] else ""
        raise InputError(
            f"this is not the model that made the index{widths}, or it has changed since",
            file=folder,
            fix=f"use the one that did{f' ({model})' if model else ''}, or build the index again",
        )


def fingerprint_of(encoder: TextEncoder) -> str:
    """See `counterpoint.encoders.fingerprint`."""
    from counterpoint.encoders import fingerprint

    return fingerprint(encoder)


def check_form(precision: str, metric: str, approximate: bool | None, uri: str, several: bool, sparse: bool) -> None:
    """Whether vectors can be kept so.

    Raises:
        InputError: There is no such precision or metric, or they do not go together.
    """
    if metric not in INDEXED:
        raise InputError(f"unknown metric {metric!r}", fix=f"choose one of {', '.join(INDEXED)}")
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}", fix=f"choose {', '.join(PRECISIONS)}")
    if uri and several:
        raise InputError("a Milvus cluster holds one vector a document, not several", fix="leave the cluster out")
    if precision != "float32":
        if uri:
            raise InputError(f"a Milvus cluster holds float32, not {precision}", fix="leave out one of the two")
        if approximate:
            raise InputError(f"an approximate index is of float32, not of {precision}", fix="leave out one of the two")
        if precision == "binary" and metric != "cosine":
            raise InputError(f"bits say nothing of lengths, which {metric} depends on", fix="choose cosine or int8")
    asked = {"a Milvus cluster": uri, "approximate search": approximate, precision: precision != "float32"}
    if sparse and (other := next((what for what, there in asked.items() if there), None)):
        raise InputError(f"vectors without their zeros do not go with {other}", fix="leave it out, or keep the zeros")
    if sparse and metric == "euclidean":
        raise InputError("vectors without their zeros are not compared by distance", fix="choose cosine or dot")


def ranges_of(embeddings: Rows, metric: Metric, fingerprint: str) -> Ranges:
    """Of the vectors as they are compared, fitted on 16,384 that are spread over them, or all if they are fewer."""
    step = -(-len(embeddings) // _SAMPLE)
    sample, start = [], 0
    for block_bd in comparable_blocks(embeddings, metric, "embeddings"):
        sample.append(block_bd[-start % step :: step].copy())
        start += len(block_bd)
    return fit_ranges(np.concatenate(sample), model=fingerprint)


def check_added(embeddings: Rows, several: bool, about: Mapping[str, Any], folder: Path) -> None:
    """Whether these go into an index; it is said if many values lie outside its ranges.

    Raises:
        InputError: They have other dimensions, or are several a document where the index has one, or the reverse.
    """
    if several != about["several"]:
        one, other = ("several vectors", "one") if several else ("one vector", "several")
        raise InputError(
            f"{one} a document, and the index has {other}", file=folder, fix="encode them as those of the index were"
        )
    if not (about["sparse"] or isinstance(embeddings, np.ndarray)):
        raise InputError(
            "vectors without their zeros, and the index has them with", file=folder, fix="give them with their zeros"
        )
    if embeddings.shape[1] != about["dim"]:
        raise InputError(
            f"embeddings of {embeddings.shape[1]} dimensions do not go into an index of {about['dim']}",
            file=folder,
            fix="encode them with the model that made the index",
        )
    if about["ranges"] is None:
        return
    ranges = Ranges.from_json(about["ranges"])
    blocks = comparable_blocks(embeddings, about["metric"], "embeddings")
    share = sum(ranges.outside(block_bd) * len(block_bd) for block_bd in blocks) / len(embeddings)
    if share > _OUTSIDE:
        warnings.warn(
            f"{share:.1%} of the new vectors' values lie outside the ranges of the index's {about['precision']} codes "
            "and are cut to them; build the index again from all documents to have ranges that fit",
            stacklevel=3,
        )


def checked_queries(queries: Embeddings, k: int, about: Mapping[str, Any], folder: Path) -> Embeddings:
    """The vectors of queries for which `k` documents can be found.

    Raises:
        InputError: `k` is below 1, the queries have other dimensions than the index, or several vectors where it has
            one a document.
    """
    if k < 1:
        raise InputError(f"k is {k}", fix="it must be at least 1")
    if isinstance(queries, Ragged) and not about["several"]:
        raise InputError("several vectors a query, and the index has one a document", file=folder, fix="give one each")
    if not isinstance(queries, Ragged):
        queries = np.asarray(queries.toarray() if hasattr(queries, "toarray") else queries)
    queries_nd = queries.vectors_td if isinstance(queries, Ragged) else queries
    if queries_nd.ndim != 2 or queries_nd.shape[1] != about["dim"]:
        model = about["metadata"].get("model")
        raise InputError(
            f"queries of shape {queries_nd.shape} cannot be searched in an index of {about['dim']} dimensions",
            file=folder,
            fix=f"encode them with the model that made the index{f' ({model})' if model else ''}, "
            "or build the index again with yours",
        )
    return queries
