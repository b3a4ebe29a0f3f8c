"""One ranking from several: by ranks, without comparing scores, or by scores brought to one range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.errors import InputError
from counterpoint.search.exact import TIED

Fusion = Literal["ranks", "scores"]
FUSIONS: tuple[Fusion, ...] = ("ranks", "scores")
"""`reciprocal_rank_fusion`, `score_fusion`."""


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
    weights = _checked(rankings, weights)
    if k < 0:
        raise InputError(f"rankings cannot be fused with k = {k}", fix="give 0 or more")
    if scores is not None:
        _check_scores(rankings, scores)

    def credit(i: int, row: int) -> Float[np.ndarray, " k"]:
        rank_k = _ranks(rankings[i][row], None if scores is None else scores[i][row])
        return np.where(np.isinf(rank_k), np.nan, weights[i] / (k + rank_k))

    return _best(rankings, credit, depth)


def check_fusion(by: str) -> None:
    """Refuse (`InputError`) what is no `Fusion`."""
    if by not in FUSIONS:
        raise InputError(f"no fusion by {by!r}", fix=f"choose {' or '.join(FUSIONS)}")


def score_fusion(
    rankings: Sequence[Int64[np.ndarray, "n _"]],
    scores: Sequence[Float[np.ndarray, "n _"]],
    *,
    weights: Sequence[float] | None = None,
    depth: int | None = None,
) -> tuple[Int64[np.ndarray, "n depth"], Float[np.ndarray, "n depth"]]:
    """Fuse what several systems found for the same queries by how they score it.

    `score(d) = sum_r w_r (s_r(d) - min_r) / (max_r - min_r)` over the rankings `r` that hold `d`, with the least and
    the greatest score of the query in each; where all are equal, each counts as the greatest. So how much better the
    first is than the second counts, which ranks do not tell, and scores of any scale can be fused. Source: Bruch, Gai
    and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023: their convex combination, with
    min-max scaling. Equal scores are ordered by the lower id.

    Args:
        rankings: For each system the document ids, a row a query, best first; -1 stands for no document.
        scores: Of the same shapes, higher is better.
        weights: One a ranking, above 0; all 1 if not given.
        depth: How many to return; as many as the longest ranking if not given.

    Returns:
        As `reciprocal_rank_fusion`.

    Raises:
        InputError: As `reciprocal_rank_fusion`; a score of a document that is no number.

    Examples:
        >>> dense, lexical = np.array([[7, 3, 5]]), np.array([[3, 9, -1]])
        >>> ids, scores = score_fusion([dense, lexical], [np.array([[0.9, 0.8, 0.4]]), np.array([[12.0, 3.0, 0.0]])])
        >>> ids, scores.round(2)
        (array([[3, 7, 5]]), array([[1.8, 1. , 0. ]]))
    """
    weights = _checked(rankings, weights)
    _check_scores(rankings, scores)
    if any(not np.isfinite(s[r >= 0]).all() for r, s in zip(rankings, scores, strict=True)):
        raise InputError("a document's score is no number", fix="leave it out, or score it")

    def credit(i: int, row: int) -> Float[np.ndarray, " k"]:
        there_k, score_k = rankings[i][row] >= 0, np.asarray(scores[i][row], dtype=np.float64)
        if not there_k.any():
            return np.full(len(there_k), np.nan)
        low, high = score_k[there_k].min(), score_k[there_k].max()
        apart = high - low > TIED * max(abs(low), abs(high))  # by more than rounding
        with np.errstate(invalid="ignore"):  # of no document
            scaled_k = (score_k - low) / (high - low) if apart else np.ones(len(score_k))
        return np.where(there_k, weights[i] * scaled_k, np.nan)

    return _best(rankings, credit, depth)


def _checked(rankings: Sequence[Int64[np.ndarray, "n _"]], weights: Sequence[float] | None) -> Sequence[float]:
    weights = [1.0] * len(rankings) if weights is None else weights
    if not rankings or len({len(ranking) for ranking in rankings}) != 1:
        raise InputError(
            f"the rankings are of {[len(ranking) for ranking in rankings]} queries",
            fix="give at least one, each with a row for every query",
        )
    if len(weights) != len(rankings) or not all(0 < w < np.inf for w in weights):
        raise InputError(
            f"{len(rankings)} rankings cannot be fused with weights {list(weights)}",
            fix="give one weight above 0 for each ranking",
        )
    return weights


def _check_scores(rankings: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> None:
    if [s.shape for s in scores] != [ranking.shape for ranking in rankings]:
        raise InputError(
            f"rankings of {[r.shape for r in rankings]} with scores of {[s.shape for s in scores]}",
            fix="give a score for each place of each ranking",
        )


def _best(
    rankings: Sequence[Int64[np.ndarray, "n _"]],
    credit: Callable[[int, int], Float[np.ndarray, " k"]],
    depth: int | None,
) -> tuple[Int64[np.ndarray, "n depth"], Float[np.ndarray, "n depth"]]:
    """Those with the greatest sums of what places of ranking i are worth in a row, `credit(i, row)`; NaN: nothing."""
    depth = max(ranking.shape[1] for ranking in rankings) if depth is None else depth
    ids = np.full((len(rankings[0]), depth), -1, dtype=np.int64)
    fused = np.full((len(rankings[0]), depth), -np.inf)
    for row in range(len(ids)):
        for ranked in (ranking[row] for ranking in rankings):
            if len(np.unique(ranked[ranked >= 0])) != (ranked >= 0).sum():
                raise InputError(f"a ranking of query {row} names a document twice", fix="name each once")
        ranked = np.concatenate([ranking[row] for ranking in rankings])
        worth = np.concatenate([credit(i, row) for i in range(len(rankings))])
        kept = (ranked >= 0) & ~np.isnan(worth)
        documents, place = np.unique(ranked[kept], return_inverse=True)
        total = np.bincount(place, weights=worth[kept], minlength=len(documents))
        best = np.argsort(-total.round(12), kind="stable")[:depth]  # sums that rounding alone parts are equal
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
