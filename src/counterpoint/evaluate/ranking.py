"""Metrics of ranked lists against judgements, as trec_eval defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Result

Rankings = Mapping[str, Sequence[str]]
"""Query id -> document ids, best first."""
Qrels = Mapping[str, Mapping[str, float]]
"""Query id -> document id -> gain."""
METRICS = ("mrr@10", "recall@1", "recall@10", "recall@100", "ndcg@10", "map@100")


@dataclass(frozen=True)
class Judged:
    """Ranked lists with the gain of each document in its place.

    Attributes:
        queries: The queries that have a relevant document, in the order of the judgements.
        gains_nk: The gain at each rank; 0 where a document is not relevant or there is none.
        ideal_nr: The gains of all relevant documents of each query, highest first, filled up with 0.
        left_out: How many queries have judgements but no relevant document.
    """

    queries: tuple[str, ...]
    gains_nk: Float[np.ndarray, "n k"]
    ideal_nr: Float[np.ndarray, "n r"]
    left_out: int

    @property
    def relevant_n(self) -> Int[np.ndarray, " n"]:
        """How many relevant documents each query has."""
        return np.asarray((self.ideal_nr > 0).sum(1))


def judge(rankings: Rankings, qrels: Qrels) -> Judged:
    """Put judgements to ranked lists.

    A document is relevant when its gain is above 0. A query without a relevant document is left out and
    counted; one without a ranking counts as having found nothing. Rankings of queries that are not judged are
    ignored. The order within a ranking is taken as it is: who ranks must break ties, as `exact_search` and
    `BM25` do by the lower id.

    Raises:
        InputError: No query has a relevant document, or a ranking names a document twice.

    Examples:
        >>> judged = judge({"q": ["b", "a"]}, {"q": {"a": 2, "c": 1}, "r": {"a": 0}})
        >>> judged.gains_nk, judged.ideal_nr, judged.left_out
        (array([[0., 2.]]), array([[2., 1.]]), 1)
    """
    relevant = {
        query: {document: float(gain) for document, gain in gains.items() if gain > 0} for query, gains in qrels.items()
    }
    queries = tuple(query for query, gains in relevant.items() if gains)
    if not queries:
        raise InputError("no query has a relevant document", fix="check the judgements (qrels)")
    for query in queries:
        ranked = rankings.get(query, ())
        if len(set(ranked)) != len(ranked):
            raise InputError(f"the ranking of query {query!r} names a document twice", fix="name each once")
    found = [[relevant[q].get(document, 0.0) for document in rankings.get(q, ())] for q in queries]
    ideal = [sorted(relevant[query].values(), reverse=True) for query in queries]
    return Judged(queries, _padded(found), _padded(ideal), len(qrels) - len(queries))


def _hits(judged: Judged, k: int) -> Bool[np.ndarray, "n k"]:
    hits_nk: np.ndarray = judged.gains_nk[:, :k] > 0
    return hits_nk


def _padded(rows: Sequence[Sequence[float]]) -> Float[np.ndarray, "n k"]:
    full = np.zeros((len(rows), max(1, *map(len, rows))))
    for i, row in enumerate(rows):
        full[i, : len(row)] = row
    return full


def reciprocal_rank(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """`1 / rank` of the first relevant document, 0 if none is among the first `k` (MRR@k when averaged).

    Examples:
        >>> reciprocal_rank(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=10)
        array([0.5])
    """
    hits_nk = _hits(judged, k)
    return np.where(hits_nk.any(1), 1.0 / (hits_nk.argmax(1) + 1), 0.0)


def hit_rate(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """1 if any of the first `k` is relevant, else 0 (top-k accuracy; trec_eval's success_k).

    Examples:
        >>> hit_rate(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=1)
        array([0.])
    """
    return np.asarray(_hits(judged, k).any(1).astype(np.float64))


def precision(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """The share of the first `k` that is relevant; the divisor is `k` even if fewer were found.

    Examples:
        >>> precision(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=4)
        array([0.25])
    """
    return np.asarray(_hits(judged, k).sum(1) / k)


def recall(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """The share of all relevant documents that is among the first `k`; at most `k / R` with `R` of them.

    Examples:
        >>> recall(judge({"q": ["b", "a"]}, {"q": {"a": 1, "c": 1}}), k=2)
        array([0.5])
    """
    return np.asarray(_hits(judged, k).sum(1) / judged.relevant_n)


def average_precision(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """`(1 / R) sum over relevant ranks i <= k of precision@i` (MAP@k when averaged; trec_eval's map_cut_k).

    The divisor is `R`, the number of all relevant documents, even if that is above `k`.

    Examples:
        >>> average_precision(judge({"q": ["b", "a"]}, {"q": {"a": 1, "c": 1}}), k=2)
        array([0.25])
    """
    hits_nk = _hits(judged, k)
    precision_nk = hits_nk.cumsum(1) / np.arange(1, hits_nk.shape[1] + 1)
    return np.asarray((precision_nk * hits_nk).sum(1) / judged.relevant_n)


def ndcg(judged: Judged, k: int) -> Float[np.ndarray, " n"]:
    """Normalised discounted cumulative gain, `DCG@k / ideal DCG@k`, `DCG@k = sum_i gain_i / log2(i + 1)`.

    The gain is the judgement itself (not `2^gain - 1`), ranks `i` begin at 1, and the ideal ranking is that of
    all relevant documents, cut at `k`: Järvelin and Kekäläinen 2002 as trec_eval computes ndcg_cut_k.

    Examples:
        >>> ndcg(judge({"q": ["b", "a"]}, {"q": {"a": 1}}), k=10).round(4)
        array([0.6309])
    """
    return np.asarray(_dcg(judged.gains_nk[:, :k]) / _dcg(judged.ideal_nr[:, :k]))


def _dcg(gains_nk: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    return gains_nk @ (1 / np.log2(np.arange(2, gains_nk.shape[1] + 2)))


_METRICS: dict[str, Callable[[Judged, int], Float[np.ndarray, " n"]]] = {
    "mrr": reciprocal_rank,
    "hit": hit_rate,
    "precision": precision,
    "recall": recall,
    "map": average_precision,
    "ndcg": ndcg,
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
    """Mean metrics of ranked lists over queries, with intervals and the value of each query.

    Args:
        rankings: Query id -> document ids, best first, at least as deep as the deepest metric.
        qrels: Query id -> document id -> gain.
        metrics: NAME@K each, with NAME one of mrr, hit, precision, recall, map, ndcg.
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
    refuse_string(metrics, "metrics")
    asked = {name: _parse(name) for name in metrics}
    judged = judge(rankings, qrels)
    missing = sum(query not in rankings for query in judged.queries)
    notes = {
        "queries left out, as no document is relevant": judged.left_out,
        "queries without a ranking, which count as 0": missing,
    }
    figures = {
        name: figure(name, metric(judged, k), items=judged.queries, samples=samples, seed=seed)
        for name, (metric, k) in asked.items()
    }
    return Result("retrieval", source, figures, tuple(f"{what}: {n}" for what, n in notes.items() if n))


def _parse(name: str) -> tuple[Callable[[Judged, int], np.ndarray], int]:
    kind, _, k = name.partition("@")
    if kind not in _METRICS or not k.isdecimal() or int(k) < 1:
        raise InputError(f"unknown metric {name!r}", fix=f"NAME@K with NAME one of {', '.join(_METRICS)}")
    return _METRICS[kind], int(k)
