"""Exact late interaction over vectors of any number an item, in memory that is bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int, Int64

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.search.exact import SCORES, ScoreRows, top_k

_PRODUCTS = 1 << 18
"""Products of two vectors at once: 1 MB, which stays in cache until the best are found."""
_ASKED = 1 << 9
"""Vectors of queries at once, where there are several queries."""


def maxsim(
    queries: Ragged, documents: Ragged, k: int, *, among_nc: Int64[np.ndarray, "n c"] | None = None
) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The `k` documents of every query with the greatest `s = sum_i max_j q_i . d_j`, best first.

    Every vector of a query is compared with every vector of the documents, some at a time: beside the scores `(n, m)`
    of some queries there is no more than 1 MB of products. Vectors are taken as they are: those of a
    `MultiVectorEncoder` are scaled as it says. Equal scores are ordered by the lower id.

    Args:
        queries: The vectors of each query (`MultiVectorEncoder.encode_each`).
        documents: The vectors of each document; its place is its id.
        k: How many to return, at least 1; with fewer documents or candidates than that, `k` is their number.
        among_nc: In two stages: the ids of each query's candidates, by BM25 or by single vectors, -1 for none. Only
            they are scored, and exactly so.

    Returns:
        ids (n, k) int64 and scores (n, k) float32; -1 and -inf where a query has fewer candidates.

    Raises:
        InputError: Vectors of another width, no documents, `k` below 1, or candidates that are not there or not of as
            many queries.

    Source: Khattab and Zaharia 2020, "ColBERT", both uses: the search of all, and the second of two stages.

    Examples:
        >>> vectors = np.eye(3, dtype=np.float32)
        >>> documents = Ragged(vectors, np.array([0, 1, 3]))  # the first has one vector, the second two
        >>> queries = Ragged(vectors[1:], np.array([0, 2]))
        >>> maxsim(queries, documents, k=2)
        (array([[1, 0]]), array([[2., 0.]], dtype=float32))
        >>> maxsim(queries, documents, k=2, among_nc=np.array([[0, -1]]))[0]
        array([[ 0, -1]])
    """
    _check(queries, documents, k)
    n, m = len(queries), len(documents)
    if among_nc is not None:
        return _among(queries, documents, k, np.asarray(among_nc))
    found = [top_k(torch.from_numpy(rows.scores_bm), min(k, m)) for rows in maxsim_rows(queries, documents)]
    if not found:
        return np.empty((n, min(k, m)), dtype=np.int64), np.empty((n, min(k, m)), dtype=np.float32)
    ids, scores = (torch.cat(part).numpy() for part in zip(*found, strict=True))
    return ids, scores


def maxsim_rows(queries: Ragged, documents: Ragged) -> Iterator[ScoreRows]:
    """The scores of every query with every document, as those of `maxsim`, in blocks of queries of 64 MB at most.

    Raises:
        InputError: As `maxsim`.

    Examples:
        >>> z = Ragged(np.eye(2, dtype=np.float32), np.array([0, 1, 2]))
        >>> [rows.scores_bm.tolist() for rows in maxsim_rows(z, z)]
        [[[1.0, 0.0], [0.0, 1.0]]]
    """
    _check(queries, documents, 1)
    length_t, longest = _lengths(queries), float(_lengths(documents).max(initial=0))
    for part in _blocks(queries, max(1, SCORES // len(documents))):
        first, last = queries.offsets_n[[part.start, part.stop]]
        offsets_b = queries.offsets_n[part.start : part.stop + 1] - first
        scale_b = _sums(length_t[None, first:last], offsets_b)[0].astype(np.float64) * longest
        asked = Ragged(queries.vectors_td[first:last], offsets_b)

        def again(row: int, columns: Int[np.ndarray, " c"], asked: Ragged = asked) -> Float[np.ndarray, " c"]:
            one, some = asked.take(np.array([row])), documents.take(columns)
            found: np.ndarray = _scores(one.astype(np.float64), some.astype(np.float64))[0]
            return found

        yield ScoreRows(_scores(asked, documents), scale_b, again)


def _lengths(z: Ragged) -> Float[np.ndarray, " t"]:
    # without a second matrix, which takes longer than all products
    found: np.ndarray = np.sqrt(np.einsum("td,td->t", z.vectors_td, z.vectors_td))
    return found


def _blocks(queries: Ragged, most: int) -> Iterator[slice]:
    """As many queries at once as have not too many vectors."""
    start = 0
    while start < len(queries):
        reach = int(np.searchsorted(queries.offsets_n, queries.offsets_n[start] + _ASKED, side="right")) - 1
        stop = min(max(reach, start + 1), start + most)
        yield slice(start, stop)
        start = stop


def _scores(queries: Ragged, documents: Ragged) -> Float[np.ndarray, "b m"]:
    """All of them, some documents at a time."""
    asked, vectors, offsets = queries.vectors_td, documents.vectors_td, documents.offsets_n
    out = np.zeros((len(queries), len(documents)), dtype=np.result_type(asked, vectors))
    there = np.flatnonzero(np.diff(offsets))
    if not len(asked) or not len(there):
        return out
    step, start = max(1, _PRODUCTS // len(asked)), 0
    while start < len(there):
        reach = int(np.searchsorted(offsets[there + 1], offsets[there[start]] + step, side="right"))
        some = there[start : max(reach, start + 1)]
        first, last = offsets[some[0]], offsets[some[-1] + 1]
        products = vectors[first:last] @ asked.T
        best = np.maximum.reduceat(products, offsets[some] - first, axis=0)
        out[:, some] = _sums(best, queries.offsets_n).T
        start += len(some)
    return out


def _sums(values_mt: Float[np.ndarray, "m t"], offsets_n: Int64[np.ndarray, " o"]) -> Float[np.ndarray, "m n"]:
    """Over the vectors of each query."""
    out = np.zeros((len(values_mt), len(offsets_n) - 1), dtype=values_mt.dtype)
    there = np.flatnonzero(np.diff(offsets_n))
    if len(there):
        out[:, there] = np.add.reduceat(values_mt, offsets_n[there], axis=1)
    return out


def _among(
    queries: Ragged, documents: Ragged, k: int, among_nc: Int64[np.ndarray, "n c"]
) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    if among_nc.ndim != 2 or len(among_nc) != len(queries):
        shape = tuple(among_nc.shape)
        raise InputError(f"candidates {shape} for {len(queries)} queries", fix="give one row of ids a query")
    if among_nc.size and not -1 <= among_nc.min() <= among_nc.max() < len(documents):
        raise InputError("candidates are no ids of documents", fix="give ids that a search of the same documents gave")
    k = min(k, among_nc.shape[1])
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for row, candidates in enumerate(among_nc):
        # in their order, so that equal scores are
        some = np.unique(candidates[candidates >= 0])
        if len(some):
            found = torch.from_numpy(_scores(queries.take(np.array([row])), documents.take(some)))
            best, value = top_k(found, k)
            ids[row, : best.shape[1]], scores[row, : best.shape[1]] = some[best[0].numpy()], value[0].numpy()
    return ids, scores


def _check(queries: Ragged, documents: Ragged, k: int) -> None:
    width, other = queries.vectors_td.shape[1], documents.vectors_td.shape[1]
    if width != other:
        raise InputError(
            f"vectors of {width} dimensions cannot be compared with vectors of {other}", fix="encode both by one model"
        )
    if not len(documents):
        raise InputError("there is nothing to search in: no documents", fix="give at least one")
    if k < 1:
        raise InputError(f"k is {k}", fix="it must be at least 1")
