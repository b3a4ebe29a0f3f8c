"""An approximate index over a file of vectors: a graph of near neighbours (HNSW, by usearch), and what it misses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.errors import InputError, MissingExtra
from counterpoint.files import remove
from counterpoint.search.exact import Metric, exact_search

LARGE = 1_000_000
"""Documents from which an index is approximate, if usearch is installed and the caller does not say."""

SMALL = 1000
"""Documents in one file up to which comparing with all of them is as fast."""

_SAMPLE, _K = 200, 10  # documents that recall is measured on, and how deep
_ENOUGH = 0.95  # recall that is sought by looking at more of the graph
_EXPANSIONS = (64, 128, 256, 512)  # how much of it
_ROWS = 65_536


class Graph:
    """A graph that is mapped.

    Args:
        file: Its file.
        expansion: How many candidates a search keeps.
        recall: Of the ten nearest of a sample of documents, the share that it finds.
    """

    def __init__(self, file: Path, expansion: int, recall: float) -> None:
        self.recall, self._expansion = recall, expansion
        try:
            self._graph = _usearch().restore(str(file), view=True)
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(
                f"the approximate index cannot be read ({error})", file=file, fix="build the index again"
            ) from error
        if self._graph is None:
            raise FileNotFoundError(file)
        self._graph.expansion_search = expansion

    def rows(self, queries_nd: Float[np.ndarray, "n d"], k: int) -> Int64[np.ndarray, "n k"]:
        """About the `k` nearest rows of every query, in no order; -1 for none."""
        self._graph.expansion_search = max(self._expansion, k)
        found = self._graph.search(queries_nd, k)
        keys_nk = np.atleast_2d(found.keys).astype(np.int64)
        counts_n = np.atleast_1d(found.counts) if len(queries_nd) > 1 else np.array([len(found)])
        keys_nk[np.arange(keys_nk.shape[1]) >= counts_n[:, None]] = -1
        return keys_nk


def wanted(asked: bool | None, rows: int) -> bool:
    """Whether a file of so many rows gets a graph.

    Raises:
        MissingExtra: It was asked for and usearch is not installed.
    """
    if asked:
        _usearch()
        return rows >= SMALL
    if asked is None and rows >= LARGE:
        try:
            _usearch()
        except MissingExtra:
            return False
        return True
    return False


def build_graph(file: Path, vectors_md: Float[np.ndarray, "m d"], metric: Metric) -> tuple[int, float]:
    """Write the graph of these vectors to `file`; how many candidates a search is to keep, and the recall that gives.

    Recall@10 is measured on 200 documents spread over the file, each searched for by its own vector, against exact
    search. Candidates are compared with again by the whole vectors, so the graph holds 16-bit ones.
    """
    kind = "l2sq" if metric == "euclidean" else "ip"
    graph = _usearch()(ndim=vectors_md.shape[1], metric=kind, dtype="f16")
    for start in range(0, len(vectors_md), _ROWS):
        part = np.ascontiguousarray(vectors_md[start : start + _ROWS])
        graph.add(np.arange(start, start + len(part)), part)
    try:
        graph.save(str(file))
        with file.open("rb+") as written:
            os.fsync(written.fileno())
    except BaseException:
        remove(file)
        raise
    queries_nd = vectors_md[np.linspace(0, len(vectors_md) - 1, min(_SAMPLE, len(vectors_md))).astype(int)]
    exact_nk, _ = exact_search(queries_nd, vectors_md, _K, metric="euclidean" if metric == "euclidean" else "dot")
    recall, expansion = 0.0, 0
    for expansion in _EXPANSIONS:
        found_nk = Graph(file, expansion, 0.0).rows(queries_nd, _K)
        hits = [len(np.intersect1d(a, b)) for a, b in zip(found_nk, exact_nk, strict=True)]
        recall = sum(hits) / exact_nk.size
        if recall >= _ENOUGH:
            break
    return expansion, recall


def _usearch() -> Any:
    try:
        from usearch.index import Index
    except ImportError as error:
        raise MissingExtra("usearch", extra="search") from error
    return Index
