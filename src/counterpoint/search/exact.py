"""Exact nearest neighbours by blocks: never an n x m matrix in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Modulus

Metric = Literal["cosine", "dot", "euclidean", "manhattan", "modulus"]
METRICS: tuple[Metric, ...] = ("cosine", "dot", "euclidean", "manhattan", "modulus")
INDEXED = METRICS[:3]
"""Those that an index is made for."""
# the cosine is the dot product of what was scaled to length one
_Compared = Literal["dot", "euclidean", "manhattan", "modulus"]
_QUERIES = 1024  # rows of queries taken at once: with 16,384 keys the block of scores is 64 MB
SCORES = 1 << 24
"""Scores held at once where whole rows of them are needed: 64 MB."""
TIED = 1e-6
"""Scores are equal when they differ by no more than this, of the size that scores can have: eight units in the last
place of a float32. Vectors of the same text from two batches differ by about one."""


def exact_search(
    queries_nd: Float[np.ndarray, "n d"] | Float[Tensor, "n d"],
    keys_md: Float[np.ndarray, "m d"] | Float[Tensor, "m d"],
    k: int,
    *,
    metric: Metric = "cosine",
    block: int = 16384,
) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The `k` best keys of every query, best first, by comparing it with every key.

    Scores are float32, higher is closer: the cosine (0 for a zero vector), the inner product, or the
    negative Euclidean or Manhattan distance, or that of complex numbers (`counterpoint.geometry.Modulus`).
    Keys are taken `block` at a time and the best are merged, so memory is O(block) whatever `n` and `m`;
    `keys_md` may be a memory-mapped array. It runs on the device of `queries_nd`.

    Equal scores are ordered by the lower id, also where they straddle the k-th place, so the result does
    not depend on `block` (but for scores that differ in the last bit between blocks of different shape).

    Args:
        queries_nd: One row a query.
        keys_md: One row a document; its row number is its id.
        k: How many to return, at least 1; with fewer keys than that, `k` is their number.
        metric: "cosine", "dot", "euclidean", "manhattan" or "modulus" (of complex numbers, real parts first).
        block: How many keys to compare with at once.

    Returns:
        ids (n, k) int64 and scores (n, k) float32.

    Raises:
        InputError: Another number of dimensions, no keys, `k` or `block` below 1, or NaN or infinite values.

    Examples:
        >>> keys = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]], dtype=np.float32)
        >>> exact_search(np.array([[1.0, 1.0]], dtype=np.float32), keys, k=2, metric="dot")
        (array([[2, 0]]), array([[2., 1.]], dtype=float32))
    """
    _check(queries_nd, keys_md, k, metric, block)
    k = min(k, len(keys_md))
    found = [_search(queries_bd, keys_md, k, metric, block) for queries_bd in _blocks(queries_nd, _QUERIES, "queries")]
    if not found:
        return np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32)
    ids, scores = zip(*found, strict=True)
    return torch.cat(ids).cpu().numpy(), torch.cat(scores).cpu().numpy()


def index_metric(encoder: object) -> Metric:
    """What an index compares an encoder's vectors by: its own `similarity`; the cosine if an index knows no such.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a cat"], dim=4)
        >>> encoder.similarity = "dot"
        >>> index_metric(encoder), index_metric(None)
        ('dot', 'cosine')
    """
    found: Metric = getattr(encoder, "similarity", "cosine")
    return found if found in INDEXED else "cosine"


@dataclass(frozen=True)
class ScoreRows:
    """The scores of a block of queries with every document, from which figures are taken (`evaluate.place`).

    Attributes:
        scores_bm: Higher is better; -inf for what is not found. Whoever takes the block may write in it.
        scale_b: How large the scores of a query can be: scores that differ by rounding errors of numbers of that
            size are equal.
        again: Row of the block and columns -> the same scores with less rounding, float64, if there are such.
    """

    scores_bm: Float[np.ndarray, "b m"]
    scale_b: Float[np.ndarray, " b"]
    again: Callable[[int, Int[np.ndarray, " c"]], Float[np.ndarray, " c"]] | None = None

    def exactly(self, row: int, columns: Int[np.ndarray, " c"]) -> Float[np.ndarray, " c"]:
        """Some scores of a row as exactly as they are to be had, float64."""
        if self.again is not None:
            return self.again(row, columns)
        return np.asarray(self.scores_bm[row, columns], dtype=np.float64)


def score_rows(
    queries_nd: Float[np.ndarray, "n d"], keys_md: Float[np.ndarray, "m d"], *, metric: Metric = "cosine"
) -> Iterator[ScoreRows]:
    """The scores of every query with every key, as those of `exact_search`, in blocks of queries of 64 MB at most.

    Raises:
        InputError: As `exact_search`.

    Examples:
        >>> keys = np.array([[0.0, 1.0], [2.0, 0.0]], dtype=np.float32)
        >>> [rows.scores_bm.tolist() for rows in score_rows(keys[:1], keys)]
        [[[1.0, 0.0]]]
    """
    _check(queries_nd, keys_md, 1, metric, 1)
    (keys,) = _blocks(keys_md, len(keys_md), "keys")
    p = 1 if metric in ("manhattan", "modulus") else 2
    longest = float(keys.norm(p, dim=1).max())
    if metric == "cosine":
        keys = F.normalize(keys, dim=1)
    for queries in _blocks(queries_nd, max(1, SCORES // len(keys)), "queries"):
        length_b = queries.double().norm(p, dim=1).numpy()
        scale_b = {"cosine": 0 * length_b + 1, "dot": length_b * longest}.get(metric, length_b + longest)
        yield _dense_rows(F.normalize(queries, dim=1) if metric == "cosine" else queries, keys, metric, scale_b)


def _dense_rows(queries_bd: Tensor, keys_md: Tensor, metric: Metric, scale_b: np.ndarray) -> ScoreRows:
    # for the cosine they are of length one
    compared: _Compared = "dot" if metric == "cosine" else metric

    @cache
    def every() -> np.ndarray:
        return _scores(queries_bd.double(), keys_md.double(), compared).numpy()

    def again(row: int, columns: Int[np.ndarray, " c"]) -> Float[np.ndarray, " c"]:
        if len(columns) > len(keys_md) // 8:  # of a collapsed model everything is near: one product for all is faster
            return np.asarray(every()[row, columns])
        chosen = keys_md[torch.from_numpy(columns)].double()
        return np.asarray(_scores(queries_bd[row : row + 1].double(), chosen, compared)[0].numpy())

    if metric == "euclidean":
        # a third of the time of differences, and in float64 no small distance is lost that float32 tells apart
        near_bm = torch.cdist(queries_bd.double(), keys_md.double(), compute_mode="use_mm_for_euclid_dist")
        return ScoreRows(-near_bm.float().numpy(), scale_b, again)
    return ScoreRows(_scores(queries_bd, keys_md, compared).numpy(), scale_b, again)


def top_k(scores_nm: Float[Tensor, "n m"], k: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Columns and values of the `k` highest scores of each row; equal scores by the lower column.

    `torch.topk` leaves it open which of several equal scores it takes; here it is always the first.

    Examples:
        >>> ids, scores = top_k(torch.tensor([[1.0, 2.0, 2.0, 1.0]]), 3)
        >>> ids
        tensor([[1, 2, 0]])
    """
    k = min(k, scores_nm.shape[1])
    values_nk, ids_nk = scores_nm.topk(min(k + 1, scores_nm.shape[1]), dim=1)
    if values_nk.shape[1] > k:
        last_n1 = values_nk[:, k - 1 : k]
        # where the next score is as high as the last that has a place, topk's choice is arbitrary
        tied = values_nk[:, k] == last_n1[:, 0]
        values_nk, ids_nk = values_nk[:, :k], ids_nk[:, :k]
        if tied.any():
            scores_rm, last_r1 = scores_nm[tied], last_n1[tied]
            above, equal = scores_rm > last_r1, scores_rm == last_r1
            places_r1 = k - above.sum(dim=1, keepdim=True)
            chosen = above | (equal & (equal.cumsum(dim=1) <= places_r1))
            ids_nk[tied] = chosen.nonzero()[:, 1].view(-1, k)
            values_nk = scores_nm.gather(1, ids_nk)
    ids_nk, order_nk = ids_nk.sort(dim=1)
    return _sorted(ids_nk, values_nk.gather(1, order_nk), k)


def _sorted(ids_nk: Tensor, scores_nk: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first `k` by score; among equals the order they came in."""
    scores_nk, order_nk = scores_nk.sort(dim=1, descending=True, stable=True)
    return ids_nk.gather(1, order_nk)[:, :k], scores_nk[:, :k]


def _search(
    queries_bd: Tensor, keys_md: np.ndarray | Tensor, k: int, metric: Metric, block: int
) -> tuple[Tensor, Tensor]:
    if metric == "cosine":
        queries_bd = F.normalize(queries_bd, dim=1)
    ids_bk = torch.empty((len(queries_bd), 0), dtype=torch.int64, device=queries_bd.device)
    best_bk = torch.empty((len(queries_bd), 0), device=queries_bd.device)
    for start in range(0, len(keys_md), block):
        keys_cd = _rows(keys_md[start : start + block]).to(queries_bd.device)
        new_ids, new_scores = top_k(_finite_scores(queries_bd, keys_cd, metric, start), k)
        # what was found before has lower ids and stands first, so a stable sort keeps the order of ties
        ids_bk, best_bk = _sorted(
            torch.cat((ids_bk, new_ids + start), dim=1), torch.cat((best_bk, new_scores), dim=1), k
        )
    return ids_bk, best_bk


def _finite_scores(queries_bd: Tensor, keys_cd: Tensor, metric: Metric, start: int) -> Tensor:
    """The scores; for the cosine the queries are of length 1.

    A key that is not finite has no finite length, nor a finite product with any query; to look for it there takes
    one row, and a look at every value takes longer than the product.
    """
    if metric != "cosine":
        scores_bc = _scores(queries_bd, keys_cd, metric)
        if not scores_bc[0].isfinite().all():
            _check_finite(keys_cd, "keys", start)
        return scores_bc
    length_c = torch.linalg.vector_norm(keys_cd, dim=1)
    if length_c.isfinite().all():
        # the same floor as normalize
        return _scores(queries_bd, keys_cd, "dot").div_(length_c.clamp(min=1e-12))
    _check_finite(keys_cd, "keys", start)
    return _scores(queries_bd, F.normalize(keys_cd, dim=1), "dot")


def _scores(queries_bd: Tensor, keys_cd: Tensor, metric: _Compared) -> Tensor:
    if metric == "manhattan":
        return -torch.cdist(queries_bd, keys_cd, p=1)
    if metric == "modulus":
        moduli = Modulus()
        return moduli.shared(moduli.prepare(queries_bd), keys_cd, 1.0)
    if metric == "euclidean":
        # the matrix-product form of cdist loses the small distances, which matter most here
        return -torch.cdist(queries_bd, keys_cd, compute_mode="donot_use_mm_for_euclid_dist")
    if len(queries_bd) == 1 and queries_bd.device.type == "cpu":
        # NumPy's product of one row with many takes a third of the time of torch's
        with np.errstate(invalid="ignore", over="ignore"):
            return torch.from_numpy(queries_bd.numpy() @ keys_cd.numpy().T)
    return queries_bd @ keys_cd.T


def _rows(rows: np.ndarray | Tensor) -> Tensor:
    """float32, not copied if it is; torch takes only memory that it may write to."""
    if not isinstance(rows, Tensor):
        rows = torch.from_numpy(np.require(rows, dtype=np.float32, requirements=["C", "W"]))
    return rows.detach().float()


def _check_finite(rows_cd: Tensor, name: str, start: int) -> None:
    if not rows_cd.isfinite().all():
        raise InputError(
            f"the {name} hold NaN or infinite values between rows {start} and {start + len(rows_cd)}",
            fix="encode them again; a model that gives NaN has diverged in training",
        )


def _blocks(rows: np.ndarray | Tensor, size: int, name: str) -> Iterator[Tensor]:
    for start in range(0, len(rows), size):
        part = _rows(rows[start : start + size])
        _check_finite(part, name, start)
        yield part


def _check(queries: np.ndarray | Tensor, keys: np.ndarray | Tensor, k: int, metric: str, block: int) -> None:
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1]:
        raise InputError(
            f"queries of shape {tuple(queries.shape)} cannot be compared with keys of shape {tuple(keys.shape)}",
            fix="give two matrices with as many columns, encoded by one model",
        )
    if len(keys) == 0:
        raise InputError("there is nothing to search in: no keys", fix="give at least one")
    if k < 1 or block < 1:
        raise InputError(f"k is {k} and block is {block}", fix="both must be at least 1")
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}", fix=f"choose one of {', '.join(METRICS)}")
