"""Search over vectors in fewer bits: exact over int8; by bits, then rescored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int8, Int64, UInt8

from counterpoint.errors import InputError
from counterpoint.precision import Ranges, fit_ranges, pack_bits, unpack_bits
from counterpoint.search.exact import _blocks, _check, top_k

__all__ = [
    "OVERSAMPLE",
    "Ranges",
    "binary_search",
    "fit_ranges",
    "hamming_search",
    "int8_search",
    "pack_bits",
    "rescore",
    "unpack_bits",
]

OVERSAMPLE = 16
"""Candidates by bits for every result: among so many are 97% or more of the exact ten best, for MiniLM."""

_IDS = 40  # bits of a number that hold the id, below its distance
_BLOCK = 16_384  # documents compared at once
_CONVERTED = 2048  # rows of int8 that are float32 at once: more do not fit into the cache and take twice as long


def int8_search(
    queries_nd: Float[np.ndarray, "n d"], codes_md: Int8[np.ndarray, "m d"], ranges: Ranges, k: int
) -> tuple[Int64[np.ndarray, "n k"], Float32[np.ndarray, "n k"]]:
    """The `k` documents of the highest inner product with every query, the documents in int8, the queries not.

    The score is the product with the restored document, `q . restore(c)`. As that is `(q * step) . c` and a constant of
    the query, the codes are searched as they are. For vectors of length 1 it is the cosine.

    Args:
        queries_nd: One row a query.
        codes_md: One row a document, from `ranges.quantize`; may be a memory map.
        ranges: Of the codes.
        k: As in `exact_search`.

    Raises:
        InputError: As `exact_search`, or ranges of another number of dimensions.

    Examples:
        >>> z_md = np.eye(3, dtype=np.float32)
        >>> ranges = fit_ranges(z_md)
        >>> int8_search(z_md[1:2], ranges.quantize(z_md), ranges, k=1)[0]
        array([[1]])
    """
    if queries_nd.ndim != 2 or queries_nd.shape[1] != ranges.dim:
        raise InputError(
            f"the ranges are for {ranges.dim} dimensions, the queries have shape {queries_nd.shape}",
            fix="give the ranges of these documents, and queries of the same model",
        )
    _check(queries_nd, codes_md, k, "dot", 1)
    found = [_closest(queries_bd.numpy(), codes_md, ranges, k) for queries_bd in _blocks(queries_nd, 256, "queries")]
    k = min(k, len(codes_md))
    ids = [np.empty((0, k), dtype=np.int64), *(ids_bk for ids_bk, _ in found)]
    return np.concatenate(ids), np.concatenate([np.empty((0, k), dtype=np.float32), *(best for _, best in found)])


def _closest(queries_bd: np.ndarray, codes_md: np.ndarray, ranges: Ranges, k: int) -> tuple[np.ndarray, np.ndarray]:
    ids_bk, best_bk = torch.empty((len(queries_bd), 0), dtype=torch.int64), torch.empty((len(queries_bd), 0))
    for start in range(0, len(codes_md), _BLOCK):
        scores_bc = int8_scores(queries_bd, codes_md[start : start + _BLOCK], ranges)
        places_bk, new_bk = top_k(torch.from_numpy(scores_bc), k)
        # what was found before has lower ids and stands first, and of equal ones the first is kept
        chosen_bk, best_bk = top_k(torch.cat((best_bk, new_bk), dim=1), k)
        ids_bk = torch.cat((ids_bk, places_bk + start), dim=1).gather(1, chosen_bk)
    return ids_bk.numpy(), best_bk.numpy()


def int8_scores(
    queries_nd: Float[np.ndarray, "n d"], codes_md: Int8[np.ndarray, "m d"], ranges: Ranges
) -> Float32[np.ndarray, "n m"]:
    """The inner product of every query with every restored document.

    Examples:
        >>> z_md = np.eye(2, dtype=np.float32)
        >>> ranges = fit_ranges(z_md)
        >>> int8_scores(z_md, ranges.quantize(z_md), ranges).round(1) + 0.0
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    scaled_nd = (queries_nd * ranges.step).astype(np.float32)
    scores_nm = np.empty((len(queries_nd), len(codes_md)), dtype=np.float32)
    for start in range(0, len(codes_md), _CONVERTED):
        part = slice(start, start + _CONVERTED)
        scores_nm[:, part] = scaled_nd @ codes_md[part].astype(np.float32).T
    scores_nm += (queries_nd @ (ranges.low + np.float32(128.5) * ranges.step)).astype(np.float32)[:, None]
    return scores_nm


def hamming_search(
    queries_nb: UInt8[np.ndarray, "n b"], bits_mb: UInt8[np.ndarray, "m b"], k: int, *, block: int = _BLOCK
) -> tuple[Int64[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
    """The `k` documents of the fewest different bits for every query, and how many those are.

    Equal distances are ordered by the lower id. Documents are taken `block` at a time, so memory is O(block).

    Args:
        queries_nb: The queries' bits, from `pack_bits`.
        bits_mb: The documents'; may be a memory map.
        k: How many to return, at least 1; with fewer documents than that, `k` is their number.
        block: Documents compared at once.

    Raises:
        InputError: Other numbers of bytes, no documents, or `k` below 1.

    Examples:
        >>> bits_mb = pack_bits(np.array([[1.0, 1, 1], [1, -1, -1], [1, 1, -1]]))
        >>> hamming_search(bits_mb[:1], bits_mb, k=2)
        (array([[0, 2]]), array([[0, 1]]))
    """
    if queries_nb.ndim != 2 or bits_mb.ndim != 2 or queries_nb.shape[1] != bits_mb.shape[1]:
        raise InputError(
            f"bits of shape {queries_nb.shape} cannot be compared with bits of shape {bits_mb.shape}",
            fix="give two matrices with as many columns, packed from vectors of one model",
        )
    if len(bits_mb) == 0 or k < 1:
        raise InputError(f"k is {k} and there are {len(bits_mb)} documents", fix="both must be at least 1")
    k, m = min(k, len(bits_mb)), len(bits_mb)
    blocks = ((np.arange(i, min(i + block, m)), bits_mb[i : i + block]) for i in range(0, m, block))
    found = hamming_blocks(queries_nb, blocks, k)
    ids_nk, distances_nk = (np.array(part, dtype=np.int64).reshape(-1, k) for part in found)
    return ids_nk, distances_nk


def hamming_blocks(
    queries_nb: UInt8[np.ndarray, "n b"],
    blocks: Iterable[tuple[Int64[np.ndarray, " c"], UInt8[np.ndarray, "c b"]]],
    k: int,
) -> tuple[list[Int64[np.ndarray, " _"]], list[Int64[np.ndarray, " _"]]]:
    """`hamming_search` in documents that come in blocks: their ids, which ascend from block to block, and bits.

    Returns:
        A list of the ids for every query and one of the distances, `k` each or as many as there are documents.

    Examples:
        >>> bits = pack_bits(np.array([[1.0, 1], [1, -1]]))
        >>> hamming_blocks(bits[:1], [(np.array([7]), bits[:1]), (np.array([9]), bits[1:])], k=2)
        ([array([7, 9])], [array([0, 1])])
    """
    queries_nw = _words(queries_nb).T
    best = [np.empty(0, dtype=np.int64)] * len(queries_nb)
    for ids_c, bits_cb in blocks:
        words_wc = _words(bits_cb)
        best = [_least(keys, query_w, words_wc, ids_c, k) for keys, query_w in zip(best, queries_nw, strict=True)]
    return [keys & ((1 << _IDS) - 1) for keys in best], [keys >> _IDS for keys in best]


def _least(keys_k: np.ndarray, query_w: np.ndarray, words_wc: np.ndarray, ids_c: np.ndarray, k: int) -> np.ndarray:
    """The `k` least of `distance << _IDS | id`, ascending: by the distance, then by the id, and no two are equal."""
    distances_c = np.zeros(words_wc.shape[1], dtype=np.uint32)
    # word by word, each over all documents: sums along rows of a few words take longer than the rest
    for word, words_c in zip(query_w, words_wc, strict=True):
        distances_c += np.bitwise_count(words_c ^ word)
    # what was found before has lower ids, so that an equal distance does not get in
    rows = np.flatnonzero(distances_c < keys_k[-1] >> _IDS) if len(keys_k) == k else np.arange(len(distances_c))
    both = np.concatenate((keys_k, (distances_c[rows].astype(np.int64) << _IDS) + ids_c[rows]))
    if len(both) > k:
        both = np.partition(both, k - 1)[:k]
    both.sort()
    return both


def _words(bits_nb: UInt8[np.ndarray, "n b"]) -> np.ndarray:
    """(w, n): the bits in words of 64, the last one filled up with zeros."""
    words_nw = np.zeros((len(bits_nb), -(-bits_nb.shape[1] // 8)), dtype=np.uint64)
    words_nw.view(np.uint8)[:, : bits_nb.shape[1]] = bits_nb
    return np.ascontiguousarray(words_nw.T)


def rescore(
    queries_nd: Float[np.ndarray, "n d"],
    ids_nc: Int64[np.ndarray, "n c"],
    documents: np.ndarray,
    k: int,
    *,
    ranges: Ranges | None = None,
) -> tuple[Int64[np.ndarray, "n k"], Float32[np.ndarray, "n k"]]:
    """The `k` best of the candidates `ids_nc` by their inner product with the query, best first; ties by the lower id.

    Args:
        queries_nd: One row a query.
        ids_nc: The candidates of each.
        documents: All documents, of which the candidates' rows are read: float32; int8 with their `ranges`; or bits
            (uint8), which count as 1 and -1 (Yamada et al. 2021, section 3).
        k: At most c.
        ranges: Of int8 documents.

    Raises:
        InputError: int8 without ranges, or another number of dimensions.

    Examples:
        >>> z_md = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
        >>> rescore(z_md[:1], np.array([[2, 1, 0]]), z_md, k=2)
        (array([[0, 1]]), array([[1. , 0.8]], dtype=float32))
    """
    if documents.dtype == np.int8 and ranges is None:
        raise InputError("int8 documents without their ranges", fix="give the ranges that they were quantized with")
    width = -(-queries_nd.shape[1] // 8) if documents.dtype == np.uint8 else queries_nd.shape[1]
    if documents.shape[1] != width:
        raise InputError(
            f"queries of shape {queries_nd.shape} cannot be compared with documents of shape {documents.shape}",
            fix="encode both with one model and the same number of dimensions",
        )
    ids_nc = np.sort(ids_nc, axis=1)
    scores_nc = np.empty(ids_nc.shape, dtype=np.float32)
    for query_d, ids_c, scores_c in zip(queries_nd, ids_nc, scores_nc, strict=True):
        z_cd = documents[ids_c]
        if documents.dtype == np.int8 and ranges is not None:
            z_cd = ranges.restore(z_cd)
        elif documents.dtype == np.uint8:
            z_cd = unpack_bits(z_cd, len(query_d))
        scores_c[:] = z_cd @ query_d
    order_nk = np.argsort(-scores_nc, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(ids_nc, order_nk, axis=1), np.take_along_axis(scores_nc, order_nk, axis=1)


def binary_search(
    queries_nd: Float[np.ndarray, "n d"],
    bits_mb: UInt8[np.ndarray, "m b"],
    k: int,
    *,
    documents: np.ndarray | None = None,
    ranges: Ranges | None = None,
    oversample: int = OVERSAMPLE,
) -> tuple[Int64[np.ndarray, "n k"], Float32[np.ndarray, "n k"]]:
    """The `oversample * k` nearest documents by bits, and of those the `k` best by inner product with the query.

    Candidates by Hamming distance, then rescored by the query in full precision: Yamada, Asai and Hajishirzi 2021,
    "Efficient Passage Retrieval with Hashing for Open-domain Question Answering" (BPR), section 3.

    Args:
        queries_nd: One row a query, in full precision.
        bits_mb: The documents' bits.
        k: How many to return, at least 1; with fewer documents than that, `k` is their number.
        documents: What to rescore with, see `rescore`; the bits themselves if not given.
        ranges: Of int8 documents.
        oversample: Candidates for every result; 1 or more.

    Raises:
        InputError: As `hamming_search` and `rescore`, other numbers of rows, or `oversample` below 1.

    Examples:
        >>> z_md = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
        >>> ids, scores = binary_search(z_md[:2], pack_bits(z_md), k=1, documents=z_md)
        >>> ids.tolist(), bool(np.allclose(scores[:, 0], (z_md[:2] ** 2).sum(1)))
        ([[0], [1]], True)
    """
    if oversample < 1:
        raise InputError(f"oversample is {oversample}", fix="it must be at least 1")
    if documents is not None and len(documents) != len(bits_mb):
        raise InputError(f"{len(bits_mb)} rows of bits and {len(documents)} to rescore", fix="give one for each")
    ids_nc, _ = hamming_search(pack_bits(queries_nd), bits_mb, oversample * k)
    return rescore(queries_nd, ids_nc, bits_mb if documents is None else documents, k, ranges=ranges)
