"""Metrics of rankings against judgements, as trec_eval defines them, with the expected value of ties."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Result

Rankings = Mapping[str, Sequence[str] | Mapping[str, float]]
"""Query id -> document ids, best first; or query id -> document id -> score, higher is better."""
Qrels = Mapping[str, Mapping[str, float]]
"""Query id -> document id -> gain."""
QueryT = TypeVar("QueryT", bound=Hashable)
DocumentT = TypeVar("DocumentT", bound=Hashable)
_ALL = slice(None)
_CELLS = 1 << 22  # chances held at once: 32 MB
METRICS = ("mrr@10", "recall@1", "recall@10", "recall@100", "ndcg@10", "map@100")


@dataclass(frozen=True)
class Judged:
    """Where each relevant document stands among all documents, and who shares its place.

    Documents of equal scores are in random order, each order as likely as any other, and every metric is its
    expected value over these orders: of McSherry and Najork 2008, "Computing Information Retrieval Performance
    Measures Efficiently in the Presence of Tied Scores". Without ties that is the metric itself.

    Attributes:
        queries: The queries that have a relevant document, in the order of the judgements.
        gains_nr: The gain of each relevant document, those that stand highest first; filled up with 0.
        above_nr: How many documents score higher than it.
        tied_nr: How many score as high, itself among them; 0 where it was not found.
        left_out: How many queries have judgements but no relevant document.
    """

    queries: tuple[str, ...]
    gains_nr: Float[np.ndarray, "n r"]
    above_nr: Int[np.ndarray, "n r"]
    tied_nr: Int[np.ndarray, "n r"]
    left_out: int

    @classmethod
    def of(cls, queries: Sequence[str], places: Iterable[Sequence[tuple[int, int, float]]], left_out: int) -> Judged:
        """From (above, tied, gain) of each relevant document of each query, in any order."""
        # what stands highest first, what was not found last
        rows = [sorted(row, key=lambda p: (p[1] == 0, p[0], -p[2])) for row in places]
        full = np.zeros((3, len(rows), max(1, *map(len, rows))))
        for i, row in enumerate(rows):
            full[:, i, : len(row)] = np.array(row).T
        return cls(tuple(queries), full[2], full[0].astype(np.int64), full[1].astype(np.int64), left_out)

    @property
    def relevant_n(self) -> Int[np.ndarray, " n"]:
        """How many relevant documents each query has."""
        return np.asarray((self.gains_nr > 0).sum(1))

    @property
    def first_n(self) -> Float[np.ndarray, " n"]:
        """The expected rank of the first relevant document; infinite where none was found.

        Examples:
            >>> judge({"q": {"a": 1.0, "b": 1.0, "c": 2.0}}, {"q": {"a": 1}}).first_n
            array([2.5])
        """
        above_n, tied_n, together_n = self._first()
        return np.where(tied_n > 0, above_n + (tied_n + 1) / (together_n + 1), np.inf)

    def _first(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Above and tied of the first group that holds relevant documents, and how many it holds."""
        above_n, tied_n = self.above_nr[:, 0], self.tied_nr[:, 0]
        return above_n, tied_n, ((self.tied_nr > 0) & (self.above_nr == above_n[:, None])).sum(1)

    def _within(self, k: int) -> Int[np.ndarray, "n r"]:
        """How many of the places that a document shares are among the first `k`."""
        return np.asarray((k - self.above_nr).clip(0, self.tied_nr))

    def _missed(self, k: int, rows: slice = _ALL) -> Float[np.ndarray, "n k+1"]:
        """The chance that the first 0, 1, ..., `k` of the first group are all not relevant, of some queries."""
        tied_n, together_n = (part[rows] for part in self._first()[1:])
        i_k = np.arange(k)
        left_nk = (tied_n[:, None] - i_k).clip(1)
        missed_nk = ((left_nk - together_n[:, None]) / left_nk).clip(0)
        return np.concatenate([np.ones((len(tied_n), 1)), missed_nk.cumprod(1)], axis=1)


def judge(rankings: Rankings, qrels: Qrels) -> Judged:
    """Put judgements to rankings.

    A document is relevant when its gain is above 0. A query without a relevant document is left out and
    counted; one without a ranking counts as having found nothing. Rankings of queries that are not judged are
    ignored. A list is taken in its order; with scores, documents of the same score are tied (see `Judged`).
    Documents that a ranking does not name are not found.

    Raises:
        InputError: No query has a relevant document, a ranking names a document twice, or a score is NaN.

    Examples:
        >>> judged = judge({"q": ["b", "a"]}, {"q": {"a": 2, "c": 1}, "r": {"a": 0}})
        >>> judged.gains_nr, judged.above_nr, judged.tied_nr, judged.left_out
        (array([[2., 1.]]), array([[1, 0]]), array([[1, 0]]), 1)
        >>> reciprocal_rank(judge({"q": {"a": 0.5, "b": 0.5}}, {"q": {"a": 1}}), k=10)
        array([0.75])
    """
    relevant, left_out = relevant_of(qrels)
    places = {}
    for query, gains in relevant.items():
        found = _places(query, rankings.get(query, ()))
        places[query] = [(*found.get(document, (0, 0)), gain) for document, gain in gains.items()]
    return Judged.of(list(places), places.values(), left_out)


def relevant_of(
    qrels: Mapping[QueryT, Mapping[DocumentT, float]],
) -> tuple[dict[QueryT, dict[DocumentT, float]], int]:
    """The gains above 0 of the queries that have any, and how many queries have none.

    Raises:
        InputError: No query has a relevant document.
    """
    relevant = {
        query: {document: float(gain) for document, gain in gains.items() if gain > 0} for query, gains in qrels.items()
    }
    kept = {query: gains for query, gains in relevant.items() if gains}
    if not kept:
        raise InputError("no query has a relevant document", fix="check the judgements (qrels)")
    return kept, len(relevant) - len(kept)


def _places(query: str, ranked: Sequence[str] | Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """Document -> how many stand above it, and how many share its place."""
    if not isinstance(ranked, Mapping):
        if len(set(ranked)) != len(ranked):
            raise InputError(f"the ranking of query {query!r} names a document twice", fix="name each once")
        return {document: (i, 1) for i, document in enumerate(ranked)}
    lower_n = -np.array(list(ranked.values()), dtype=np.float64)
    if np.isnan(lower_n).any():
        raise InputError(f"the ranking of query {query!r} has a score that is no number", fix="give finite scores")
    sorted_n = np.sort(lower_n)
    above_n, below_n = (np.searchsorted(sorted_n, lower_n, side=side) for side in ("left", "right"))
    return dict(zip(ranked, zip(above_n.tolist(), (below_n - above_n).tolist(), strict=True), strict=True))


def reciprocal_rank(judged: Judged, k: int | None = None) -> Float[np.ndarray, " n"]:
    """`1 / rank` of the first relevant document, 0 if none is among the first `k` (MRR@k when averaged).

    Without `k` nothing is cut off, as in link prediction; what was not found counts 0.

    Examples:
        >>> judged = judge({"q": ["b", "a"]}, {"q": {"a": 1}})
        >>> reciprocal_rank(judged, k=10), reciprocal_rank(judged, k=1), reciprocal_rank(judged)
        (array([0.5]), array([0.]), array([0.5]))
    """
    above_n, tied_n, _ = judged._first()
    deep = k or max(1, int(tied_n.max(initial=1)))
    parts = [np.empty(0)]
    step = max(1, _CELLS // deep)
    for rows in (slice(start, start + step) for start in range(0, len(above_n), step)):
        # the chance that it is the first, second, ... of its group
        first_nk = -np.diff(judged._missed(deep, rows), axis=1)
        rank_nk = above_n[rows, None] + np.arange(1, deep + 1)
        within_nk = True if k is None else rank_nk <= k
        parts.append(np.where(tied_n[rows] > 0, (first_nk * within_nk / rank_nk).sum(1), 0.0))
    return np.concatenate(parts)


def hit_rate(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """1 if any of the first `k` is relevant, else 0 (top-k accuracy; trec_eval's success_k).

    Examples:
        >>> hit_rate(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=1)
        array([0.])
    """
    within_n1 = judged._within(k)[:, :1]
    return np.asarray(1 - np.take_along_axis(judged._missed(k), within_n1, axis=1)[:, 0])


def precision(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """The share of the first `k` that is relevant; the divisor is `k` even if fewer were found.

    Examples:
        >>> precision(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=4)
        array([0.25])
    """
    return np.asarray(_found(judged, k) / k)


def recall(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """The share of all relevant documents that is among the first `k`; at most `k / R` with `R` of them.

    Examples:
        >>> recall(judge({"q": ["b", "a"]}, {"q": {"a": 1, "c": 1}}), k=2)
        array([0.5])
    """
    return np.asarray(_found(judged, k) / judged.relevant_n)


def _found(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    return np.asarray((judged._within(k) / judged.tied_nr.clip(1)).sum(1))


def average_precision(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """`(1 / R) sum over relevant ranks i <= k of precision@i` (MAP@k when averaged; trec_eval's map_cut_k).

    The divisor is `R`, the number of all relevant documents, even if that is above `k`.

    Examples:
        >>> average_precision(judge({"q": ["b", "a"]}, {"q": {"a": 1, "c": 1}}), k=2)
        array([0.25])
    """
    above_nr, tied_nr, within_nr = judged.above_nr, judged.tied_nr, judged._within(k)
    before_nr, together_nr = np.zeros(above_nr.shape), np.ones(above_nr.shape)
    for i, row in enumerate(np.where(tied_nr > 0, above_nr, -1)):
        # rows are in order, so the first of a group stands after all relevant documents above it
        _, before, group, together = np.unique(row, return_index=True, return_inverse=True, return_counts=True)
        before_nr[i], together_nr[i] = before[group], together[group]
    # at the j-th place of its group, rank above + j, a document has before + 1 + (j - 1) mates relevant ones so far
    mates_nr = (together_nr - 1) / (tied_nr - 1).clip(1)
    inverse_nr = _summed(1 / np.arange(1, k + 1), above_nr, within_nr)
    sum_nr = (before_nr + 1) * inverse_nr + mates_nr * (within_nr - (above_nr + 1) * inverse_nr)
    return np.asarray((sum_nr / tied_nr.clip(1)).sum(1) / judged.relevant_n)


def ndcg(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """Normalised discounted cumulative gain, `DCG@k / ideal DCG@k`, `DCG@k = sum_i gain_i / log2(i + 1)`.

    The gain is the judgement itself (not `2^gain - 1`), ranks `i` begin at 1, and the ideal ranking is that of
    all relevant documents, cut at `k`: Järvelin and Kekäläinen 2002 as trec_eval computes ndcg_cut_k.

    Examples:
        >>> ndcg(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=10).round(4)
        array([0.6309])
    """
    discount_k = 1 / np.log2(np.arange(2, k + 2))
    share_nr = _summed(discount_k, judged.above_nr, judged._within(k)) / judged.tied_nr.clip(1)
    best_nr = -np.sort(-judged.gains_nr, axis=1)
    ideal_r = np.resize(np.append(discount_k, np.zeros(best_nr.shape[1])), best_nr.shape[1])
    # summed in the same order, so that a perfect ranking has exactly 1
    return np.asarray((judged.gains_nr * share_nr).sum(1) / (best_nr * ideal_r).sum(1))


def _summed(
    value_k: Float[np.ndarray, " k"], above_nr: Int[np.ndarray, "n r"], within_nr: Int[np.ndarray, "n r"]
) -> Float[np.ndarray, "n r"]:
    """The sum of what the ranks above + 1 to above + within are worth."""
    start_nr = above_nr.clip(0, len(value_k) - 1)
    sum_k = np.concatenate([[0.0], value_k.cumsum()])
    several_nr = sum_k[(start_nr + within_nr).clip(0, len(value_k))] - sum_k[start_nr]
    # a difference of sums is off in the last digits, which shows where there is no tie
    return np.where(within_nr == 1, value_k[start_nr], np.where(within_nr > 0, several_nr, 0.0))


_METRICS: dict[str, Callable[..., Float[np.ndarray, " n"]]] = {
    "mrr": reciprocal_rank,
    "hit": hit_rate,
    "precision": precision,
    "recall": recall,
    "map": average_precision,
    "ndcg": ndcg,
}
_UNCUT: dict[str, Callable[[Judged], Float[np.ndarray, " n"]]] = {
    "mrr": reciprocal_rank,
    "mean rank": lambda judged: judged.first_n,
}


def evaluate_rankings(
    rankings: Rankings,
    qrels: Qrels,
    *,
    metrics: Sequence[str] = METRICS,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Mean metrics of rankings over queries, with intervals and the value of each query.

    Ties have their expected value, see `Judged`.

    Args:
        rankings: Query id -> document ids, best first, at least as deep as the deepest metric; or query id ->
            document id -> score (a run, as trec_eval and ir_measures take it), where equal scores are ties.
        qrels: Query id -> document id -> gain.
        metrics: NAME@K each, with NAME one of mrr, hit, precision, recall, map, ndcg; or "mrr" or "mean rank", which
            cut nothing off (the mean rank is refused where a query found nothing).
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: As `judge`, or an unknown metric.

    Examples:
        >>> rankings = {"q": ["b", "a"], "r": ["c"]}
        >>> qrels = {"q": {"a": 1.0}, "r": {"c": 1.0}}
        >>> result = evaluate_rankings(rankings, qrels, metrics=["mrr@10", "recall@1"])
        >>> result["mrr@10"].value, result["recall@1"].values
        (0.75, array([0., 1.]))
    """
    judged = judge(rankings, qrels)
    missing = sum(query not in rankings for query in judged.queries)
    notes = (f"queries without a ranking, which count as 0: {missing}",) if missing else ()
    return evaluate_judged(judged, metrics=metrics, source=source, notes=notes, samples=samples, seed=seed)


def evaluate_judged(
    judged: Judged,
    *,
    metrics: Sequence[str] = METRICS,
    source: str = "",
    notes: Sequence[str] = (),
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Mean metrics of what `judge` or `place` gave.

    Args:
        judged: Where the relevant documents stand.
        metrics: As for `evaluate_rankings`.
        source: What was measured, for the record.
        notes: What else a reader should know.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: An unknown metric.

    Examples:
        >>> evaluate_judged(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), metrics=["mrr@10"])["mrr@10"].value
        0.5
    """
    refuse_string(metrics, "metrics")
    refuse_string(notes, "notes")
    asked = {name: parse_metric(name) for name in metrics}
    figures = {
        name: figure(name, metric(judged), items=judged.queries, samples=samples, seed=seed)
        for name, metric in asked.items()
    }
    left_out = (f"queries left out, as no document is relevant: {judged.left_out}",) if judged.left_out else ()
    return Result("retrieval", source, figures, (*left_out, *notes))


def parse_metric(name: str) -> Callable[[Judged], Float[np.ndarray, " n"]]:
    """The metric, from NAME@K, "mrr" or "mean rank".

    Raises:
        InputError: There is none of that name, or K is no number above 0.
    """
    if name in _UNCUT:
        return _UNCUT[name]
    kind, _, k = name.partition("@")
    if kind not in _METRICS or not k.isdecimal() or int(k) < 1:
        known = f"NAME@K with NAME one of {', '.join(_METRICS)}; or {' or '.join(_UNCUT)}"
        raise InputError(f"unknown metric {name!r}", fix=known)
    return partial(_METRICS[kind], k=int(k))
