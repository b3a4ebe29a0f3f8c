"""Reciprocal rank fusion: one ranking from several, without comparing their scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.errors import InputError
from counterpoint.search.exact import TIED


def reciprocal_rank_fusion(
    rankings: Sequence[Int64[np.ndarray, "n _"]],
    *,
    scores: Sequence[Float[np.ndarray, "n _"]] | None = None,
    k: float = 60,
    weights: Sequence[float] | None = None,
    depth: int | None = None,
) -> tuple[Int64[np.ndarray, "n depth"], Float[np.ndarray, "n depth"]]:
    """Fuse rankings of the same documents for the same queries.

    `score(d) = sum_r w_r / (k + rank_r(d))` over the rankings `r` that hold `d`, ranks from 1 (Cormack,
    Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009; they found k = 60). Equal scores are ordered by the lower id.

    With `scores`, documents that a system scores equally (within rounding errors) share the mean of their ranks. A
    group that reaches the end of a row without a -1 may go on beyond it and is left out: give one column more than you
    want.

    Args:
        rankings: For each system the document ids, a row a query, best first; -1 stands for no document.
        scores: Of the same shapes, higher is better; the order alone counts if not given.
        k: The constant, 0 or more: the larger, the less the first ranks stand out.
        weights: One a ranking, above 0; all 1 if not given.
        depth: How many to return; as many as the longest ranking if not given.

    Returns:
        ids (n, depth) int64, -1 where there are no more, and scores (n, depth) float64, -inf there.

    Raises:
        InputError: No rankings, other numbers of queries or scores, a document twice in one ranking, or bad weights.

    Examples:
        >>> dense, lexical = np.array([[7, 3, 5]]), np.array([[3, 9, -1]])
        >>> ids, scores = reciprocal_rank_fusion([dense, lexical])
        >>> ids, bool(scores[0, 0] == 1 / 62 + 1 / 61)
        (array([[3, 7, 9]]), True)
    """
    weights = [1.0] * len(rankings) if weights is None else weights
    if not rankings or len({len(ranking) for ranking in rankings}) != 1:
        raise InputError(
            f"the rankings are of {[len(ranking) for ranking in rankings]} queries",
            fix="give at least one, each with a row for every query",
        )
    if len(weights) != len(rankings) or not all(0 < w < np.inf for w in weights) or k < 0:
        raise InputError(
            f"{len(rankings)} rankings cannot be fused with weights {list(weights)} and k = {k}",
            fix="give one weight above 0 for each ranking, and k of 0 or more",
        )
    if scores is not None and [s.shape for s in scores] != [ranking.shape for ranking in rankings]:
        raise InputError(
            f"rankings of {[r.shape for r in rankings]} with scores of {[s.shape for s in scores]}",
            fix="give a score for each place of each ranking",
        )
    depth = max(ranking.shape[1] for ranking in rankings) if depth is None else depth
    ids = np.full((len(rankings[0]), depth), -1, dtype=np.int64)
    fused = np.full((len(rankings[0]), depth), -np.inf)
    for row in range(len(ids)):
        lists = [ranking[row] for ranking in rankings]
        ranks = [_ranks(r, None if scores is None else scores[i][row]) for i, r in enumerate(lists)]
        credit = np.concatenate([w / (k + r) for w, r in zip(weights, ranks, strict=True)])
        for ranked in lists:
            if len(np.unique(ranked[ranked >= 0])) != (ranked >= 0).sum():
                raise InputError(f"a ranking of query {row} names a document twice", fix="name each once")
        ranked = np.concatenate(lists)
        documents, place = np.unique(ranked[ranked >= 0], return_inverse=True)
        total = np.bincount(place, weights=credit[ranked >= 0], minlength=len(documents))
        documents, total = documents[total > 0], total[total > 0]
        best = np.argsort(-total, kind="stable")[:depth]
        ids[row, : len(best)], fused[row, : len(best)] = documents[best], total[best]
    return ids, fused


def _ranks(ranked_k: Int64[np.ndarray, " k"], score_k: Float[np.ndarray, " k"] | None) -> Float[np.ndarray, " k"]:
    """The rank of each place: the mean of those that score the same, infinite where that is not known."""
    rank_k = np.arange(1.0, len(ranked_k) + 1)
    if score_k is None or not len(score_k):
        return rank_k
    there_k = ranked_k >= 0
    value_k = np.where(there_k, score_k, 0).astype(np.float64)
    step_k = np.abs(np.diff(value_k, prepend=value_k[0]))
    group_k = ((step_k > TIED * np.abs(value_k).max()) | ~there_k).cumsum()
    group_k -= group_k[0]
    mean_g = np.bincount(group_k, weights=rank_k) / np.bincount(group_k)
    rank_k = np.asarray(mean_g[group_k])
    if there_k[-1]:
        rank_k[group_k == group_k[-1]] = np.inf
    return rank_k
