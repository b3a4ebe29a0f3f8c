"""Vectors in files that only grow by another file, and the search in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8, Int64, UInt8
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.precision import Ranges, pack_bits
from counterpoint.search._files import mapped
from counterpoint.search._graph import Graph
from counterpoint.search._nonzero import Nonzero, Rows, map_nonzero, without_zeros
from counterpoint.search._several import map_each
from counterpoint.search.exact import Metric, _scores, _sorted, top_k
from counterpoint.search.precision import OVERSAMPLE, hamming_blocks, int8_scores

_ROWS = 16_384  # vectors written or taken at once
_RESTORED = 4096  # int8 vectors that are float32 at once
_SCORES = 1 << 22  # scores held at once: 16 MB
_QUERIES = 1024


@dataclass(frozen=True)
class Segment:
    """Vectors of documents whose keys ascend.

    Attributes:
        name: The file.
        first: The lowest key.
        vectors_md: Mapped; float32, int8 codes, or float32 without the zeros.
        keys_m: Each row's key; None where they are `first`, `first + 1`, ...
        alive_m: Which rows are still documents; None for all.
        graph: Finds most of the nearest without comparing with all; None where all are compared with.
        ranges: Of int8 codes; None for float32.
        bits_mb: Mapped; by them candidates are found, which are then compared with. None where all are.
        each: Mapped, float16; all vectors of each document, whose mean `vectors_md` has. None where there is one.
    """

    name: str
    first: int
    vectors_md: Float[np.ndarray, "m d"] | Int8[np.ndarray, "m d"] | Nonzero
    keys_m: Int64[np.ndarray, "m"] | None = None
    alive_m: Bool[np.ndarray, "m"] | None = None
    graph: Graph | None = None
    ranges: Ranges | None = None
    bits_mb: UInt8[np.ndarray, "m b"] | None = None
    each: Ragged | None = None

    def __len__(self) -> int:
        return len(self.vectors_md)

    def keys(self) -> Int64[np.ndarray, "m"]:
        """The key of every row."""
        return np.arange(self.first, self.first + len(self)) if self.keys_m is None else self.keys_m

    def rows(self, keys_k: Int64[np.ndarray, "k"]) -> Int64[np.ndarray, "_"]:
        """The rows of those of `keys_k` (ascending) that are here."""
        if self.keys_m is None:
            lowest, highest = np.searchsorted(keys_k, [self.first, self.first + len(self)])
            found_k: np.ndarray = keys_k[lowest:highest] - self.first
            return found_k
        rows = np.searchsorted(self.keys_m, keys_k).clip(max=len(self) - 1)
        here: np.ndarray = rows[self.keys_m[rows] == keys_k]
        return here

    def without(self, dead_k: Int64[np.ndarray, "k"]) -> Segment:
        """The same with the documents `dead_k` (ascending) gone."""
        rows = self.rows(dead_k)
        if not len(rows):
            return replace(self, alive_m=None)
        alive_m = np.ones(len(self), dtype=bool)
        alive_m[rows] = False
        return replace(self, alive_m=alive_m)


def open_segment(
    folder: Path, name: str, first: int, rows: int, about: Mapping[str, Any], keys: bytes | None
) -> Segment:
    """Map a segment's files; `about` is what the index says of itself.

    Raises:
        FileNotFoundError: They are not there (any more).
        InputError: They are not what they were.
    """
    dim, ranges = about["dim"], None if about["ranges"] is None else Ranges.from_json(about["ranges"])
    keys_m = None if keys is None else np.frombuffer(keys, dtype="<i8").astype(np.int64)
    if about["sparse"]:
        return Segment(name, first, map_nonzero(folder / f"{name}.npy", rows, dim), keys_m)
    vectors_md = mapped(folder / f"{name}.npy", (rows, dim), np.dtype("<f4" if ranges is None else "i1"))
    bits_mb = None
    if about["precision"] == "binary":
        bits_mb = mapped(folder / f"{name}.bits", (rows, -(-dim // 8)), np.dtype("u1"))
    each = map_each(folder / f"{name}.npy", rows, dim) if about["several"] else None
    return Segment(name, first, vectors_md, keys_m, ranges=ranges, bits_mb=bits_mb, each=each)


def comparable(z_nd: Rows, metric: Metric, name: str, start: int = 0) -> Rows:
    """float32 rows, of length 1 for the cosine (a zero stays zero), sparse ones without zeros that are kept.

    Raises:
        InputError: A row is not finite, or too large for its length to be.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(z_nd, np.ndarray):
            z_nd = z_nd.astype(np.float32)
            length_n1 = np.sqrt(np.einsum("nd,nd->n", z_nd, z_nd))[:, None]
        else:
            z_nd = without_zeros(z_nd)
            length_n1 = np.sqrt((z_nd * z_nd).sum(axis=1))[:, None]
    bad = ~np.isfinite(length_n1[:, 0])
    if bad.any():
        raise InputError(
            f"row {start + int(bad.argmax())} of the {name} holds NaN, infinite or far too large values",
            fix="encode it again; a model that gives NaN has diverged in training",
        )
    if metric != "cosine":
        return z_nd
    length_n1 = length_n1.clip(1e-12)  # the same floor as torch's normalize
    if isinstance(z_nd, np.ndarray):
        return z_nd / length_n1
    z_nd.data /= np.repeat(length_n1[:, 0], np.diff(z_nd.indptr))
    return z_nd


def comparable_blocks(z_nd: Rows, metric: Metric, name: str) -> Iterator[Rows]:
    """`comparable`, a block at a time."""
    for start in range(0, z_nd.shape[0], _ROWS):
        yield comparable(z_nd[start : start + _ROWS], metric, name, start)


def nearest(
    segments: Sequence[Segment],
    queries_nd: Float[np.ndarray, "n d"],
    k: int,
    metric: Metric,
    among_k: Int64[np.ndarray, "_"] | None = None,
) -> list[tuple[list[int], list[float]]]:
    """Keys and scores of the `k` closest documents of every query, best first, equal ones by the lower key.

    Every document is compared with, a block of them at a time, straight from the mapped files; of a file with a
    graph, unless the choice is narrowed, only those that it finds; where there are bits, only the 16 k documents with
    the fewest that differ from the query's, as in `binary_search`.

    Args:
        segments: Where the documents are.
        queries_nd: Made `comparable`.
        k: How many, at least 1; fewer are given if there are fewer.
        metric: How to compare.
        among_k: Only these keys, ascending; all if not given.
    """
    found: list[tuple[list[int], list[float]]] = []
    if any(isinstance(segment.vectors_md, Nonzero) for segment in segments):
        queries_nd = np.asfortranarray(queries_nd)  # the order in which sparse rows are multiplied by it
    if any(segment.bits_mb is not None for segment in segments):
        bits = (block for segment in segments for block in _bits(segment, among_k))
        candidates, _ = hamming_blocks(pack_bits(queries_nd), bits, OVERSAMPLE * k)
        for query_d, keys_c in zip(queries_nd, candidates, strict=True):
            found += _nearest(segments, query_d[None], k, metric, np.sort(keys_c))
        return found
    for start in range(0, len(queries_nd), _QUERIES):
        found += _nearest(segments, queries_nd[start : start + _QUERIES], k, metric, among_k)
    return found


def _nearest(
    segments: Sequence[Segment], queries_nd: np.ndarray, k: int, metric: Metric, among_k: np.ndarray | None
) -> list[tuple[list[int], list[float]]]:
    keys_nk = torch.empty((len(queries_nd), 0), dtype=torch.int64)
    best_nk = torch.empty((len(queries_nd), 0))
    for segment in segments:
        found = _from_graph(segment, queries_nd, k, metric) if segment.graph and among_k is None else None
        if found is not None:
            keys_nk, best_nk = _sorted(torch.cat((keys_nk, found[0]), 1), torch.cat((best_nk, found[1]), 1), k)
            continue
        size = max(4096, _SCORES // len(queries_nd))
        if metric == "euclidean" and segment.ranges is not None:
            size = _RESTORED
        for keys_b, block_bd, alive_b in _blocks(segment, size, among_k):
            scores_nb = _compare(queries_nd, block_bd, metric, segment.ranges)
            if alive_b is not None:
                scores_nb[:, torch.from_numpy(~alive_b)] = -torch.inf
            places_nk, new_nk = top_k(scores_nb, k)
            new_keys = torch.from_numpy(keys_b)[places_nk] if isinstance(keys_b, np.ndarray) else places_nk + keys_b
            # what was found before has lower keys and stands first, so a stable sort keeps the order of ties
            keys_nk, best_nk = _sorted(torch.cat((keys_nk, new_keys), 1), torch.cat((best_nk, new_nk), 1), k)
    counts = best_nk.isfinite().sum(dim=1).tolist()
    return [
        (keys[:count], scores[:count])
        for keys, scores, count in zip(keys_nk.tolist(), best_nk.tolist(), counts, strict=True)
    ]


def _from_graph(segment: Segment, queries_nd: np.ndarray, k: int, metric: Metric) -> tuple[Tensor, Tensor] | None:
    """Keys and scores of candidates from the graph, compared with exactly; None if there are too few of them."""
    assert segment.graph is not None
    # more than asked for: the graph's vectors are rounded, and some of its documents are gone
    depth, living = 2 * k + 50, len(segment) if segment.alive_m is None else int(segment.alive_m.sum())
    if 10 * depth > len(segment):
        return None
    parts = []
    step = max(1, _SCORES // (depth * queries_nd.shape[1]))
    for start in range(0, len(queries_nd), step):
        some_bd = queries_nd[start : start + step]
        rows_bk = np.sort(segment.graph.rows(some_bd, depth), axis=1)
        there_bk = rows_bk >= 0
        if segment.alive_m is not None:
            there_bk &= segment.alive_m[rows_bk]
        if (there_bk.sum(axis=1) < min(k, living)).any():
            return None
        pairs = zip(some_bd, rows_bk, strict=True)
        scores = [_compare(q[None], segment.vectors_md[rows], metric, segment.ranges) for q, rows in pairs]
        scores_bk = torch.cat(scores)
        scores_bk[torch.from_numpy(~there_bk)] = -torch.inf
        parts.append((torch.from_numpy(segment.keys()[rows_bk]), scores_bk))
    keys, best = zip(*parts, strict=True)
    return torch.cat(keys), torch.cat(best)


def _blocks(
    segment: Segment, size: int, among_k: np.ndarray | None
) -> Iterator[tuple[np.ndarray | int, Rows, np.ndarray | None]]:
    """The keys (or the first of a run), vectors and, where some are not to be found, those that are."""
    alive_m, rows = segment.alive_m, None
    if among_k is not None:
        rows = segment.rows(among_k)
        if not len(rows):
            return
        if len(rows) > len(segment) // 4:
            # so many pass that comparing with all is cheaper than copying those together
            alive_m, rows = np.zeros(len(segment), dtype=bool), None
            alive_m[segment.rows(among_k)] = True
    for start in range(0, len(segment) if rows is None else len(rows), size):
        part = slice(start, start + size)
        if rows is not None:
            chosen = rows[part]
            keys_b = chosen + segment.first if segment.keys_m is None else segment.keys_m[chosen]
            yield keys_b, segment.vectors_md[chosen], None
            continue
        alive_b = None if alive_m is None else alive_m[part]
        if alive_b is not None and not alive_b.any():
            continue
        yield (
            segment.first + start if segment.keys_m is None else segment.keys_m[part],
            segment.vectors_md[part],
            None if alive_b is None or alive_b.all() else alive_b,
        )


def _bits(segment: Segment, among_k: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Keys and bits of those that may be found."""
    assert segment.bits_mb is not None
    for keys_b, bits_bw, alive_b in _blocks(replace(segment, vectors_md=segment.bits_mb), _ROWS, among_k):
        every_b = keys_b if isinstance(keys_b, np.ndarray) else np.arange(keys_b, keys_b + len(bits_bw))
        yield (every_b, bits_bw) if alive_b is None else (every_b[alive_b], bits_bw[alive_b])


def _compare(queries_nd: np.ndarray, block_bd: Rows, metric: Metric, ranges: Ranges | None) -> Tensor:
    if not isinstance(block_bd, np.ndarray):
        return torch.from_numpy((block_bd @ queries_nd.T).T)
    if ranges is not None and metric != "euclidean":
        return torch.from_numpy(int8_scores(queries_nd, block_bd, ranges))
    if metric == "euclidean":
        block_bd = block_bd if ranges is None else ranges.restore(block_bd)
        return _scores(torch.from_numpy(queries_nd), torch.from_numpy(block_bd), metric)
    # NumPy's product of one row with many is twice as fast as torch's here
    return torch.from_numpy(queries_nd @ block_bd.T)
