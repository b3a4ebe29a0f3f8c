"""Exact search over sparse vectors by an inverted index: of each term the documents that have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from counterpoint.errors import InputError
from counterpoint.search.exact import SCORES, ScoreRows, top_k

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def sparse_search(
    queries_nv: csr_array, documents_mv: csr_array, k: int
) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The `k` documents of every query with the greatest inner product, best first; equal scores by the lower id.

    Args:
        queries_nv: One row a query, such as a `SpladeEncoder`'s `encode_sparse` gives, or term frequencies.
        documents_mv: One row a document; its row number is its id.
        k: How many to return, at least 1; with fewer documents than that, `k` is their number.

    Returns:
        ids (n, k) int64 and scores (n, k) float32. A document whose product is not above 0 is not found: its place
        holds id -1 and score -inf.

    Raises:
        InputError: Another number of terms, no documents, or `k` below 1.

    Examples:
        >>> from scipy.sparse import csr_array
        >>> documents = csr_array(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]], dtype=np.float32))
        >>> sparse_search(documents[:1], documents, k=2)
        (array([[ 0, -1]]), array([[  5., -inf]], dtype=float32))
    """
    if k < 1:
        raise InputError(f"k is {k}", fix="it must be at least 1")
    return best_of(sparse_rows(queries_nv, documents_mv), queries_nv.shape[0], min(k, documents_mv.shape[0]))


def sparse_rows(queries_nv: csr_array, documents_mv: csr_array) -> Iterator[ScoreRows]:
    """The scores of every query with every document, as those of `sparse_search`, in blocks of queries of 64 MB.

    Raises:
        InputError: As `sparse_search`.

    Examples:
        >>> from scipy.sparse import csr_array
        >>> z = csr_array(np.eye(2, dtype=np.float32))
        >>> [rows.scores_bm.tolist() for rows in sparse_rows(z, z)]
        [[[1.0, -inf], [-inf, 1.0]]]
    """
    (n, terms), (m, others) = queries_nv.shape, documents_mv.shape
    if terms != others:
        raise InputError(f"{terms} terms of queries cannot be compared with {others}", fix="encode both by one model")
    if not m:
        raise InputError("there is nothing to search in: no documents", fix="give at least one")
    weights_vm, step = documents_mv.T.tocsr(), max(1, SCORES // m)
    for start in range(0, n, step):
        yield from weighed(queries_nv[start : start + step], weights_vm)


def weighed(queries_bv: csr_array, weights_vm: csr_array) -> Iterator[ScoreRows]:
    """A block of queries with all documents, given by term; -inf where no product is above 0."""
    scores_bm = (queries_bv @ weights_vm).toarray()
    scale_b = scores_bm.max(1)
    scores_bm[scores_bm <= 0] = -np.inf
    yield ScoreRows(scores_bm, scale_b)


def best_of(
    rows: Iterable[ScoreRows], n: int, k: int, among_m: Bool[np.ndarray, "m"] | None = None
) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The best of whole rows of scores, among some documents if it is said; id -1 where nothing is found."""
    ids = np.empty((n, k), dtype=np.int64)
    scores = np.empty((n, k), dtype=np.float32)
    start = 0
    for block in rows:
        part = slice(start, start := start + len(block.scores_bm))
        if among_m is not None:
            block.scores_bm[:, ~among_m] = -np.inf
        best_ids, best = top_k(torch.from_numpy(block.scores_bm), k)
        ids[part] = best_ids.masked_fill(best.isinf(), -1).numpy()
        scores[part] = best.numpy()
    return ids, scores
