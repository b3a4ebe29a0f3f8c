"""How much better a ranking is once its best are put in another order by a model that reads both texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoint.data.types import Retrieval
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, compare
from counterpoint.evaluate.encoder import Encodes, named, place_encoded
from counterpoint.evaluate.figures import Difference, Result
from counterpoint.evaluate.places import place, prepared
from counterpoint.evaluate.ranking import evaluate_rankings, parse_metric
from counterpoint.search.bm25 import BM25
from counterpoint.search.reranking import Score, reranked

RERANKED = ("ndcg@10", "mrr@10", "recall@1")
"""What a reranked list is measured by."""


@dataclass(frozen=True)
class Reranking:
    """Figures of the same candidates in two orders.

    Attributes:
        before: As they were found.
        after: By the reranker.
        differences: By how much each figure is higher afterwards, with paired intervals; none of a single query.
        run: The documents of each query in the reranker's order.
    """

    before: Result
    after: Result
    differences: Mapping[str, Difference]
    run: Mapping[str, Sequence[str]]

    def to_json(self) -> dict[str, Any]:
        """A JSON object, without what is per query."""
        parts = {"before": self.before.to_json(items=False), "after": self.after.to_json(items=False)}
        return {**parts, "differences": [difference.to_json() for difference in self.differences.values()]}


def candidates(
    test: Retrieval, k: int = 100, *, encoder: Encodes | None = None, language: str = "auto"
) -> dict[str, list[str]]:
    """The `k` documents that are found first for each judged query: by BM25, or by an encoder's own similarity.

    A query that is a document does not find itself; equal scores are in the order of a hash of the texts (`prepared`).

    Args:
        test: Who should find what.
        k: How many, 1 or more.
        encoder: Who finds, in place of BM25.
        language: Of the texts, for BM25.

    Raises:
        InputError: No query has a relevant document; `k` below 1.

    Examples:
        >>> test = Retrieval({"1": "a red fox", "2": "a blue ant"}, {"q": "ants"}, {"q": {"2": 1.0}}, "memory")
        >>> candidates(test)
        {'q': ['2']}
    """
    if k < 1:
        raise InputError(f"{k} candidates", fix="give 1 or more")
    test, _ = prepared(test)
    if encoder is None:
        bm25 = BM25(list(test.corpus.values()), language=language)
        found = place(bm25.score_rows(list(test.queries.values())), test, k)
    else:
        found, _ = place_encoded(encoder, test, k)
    return named(found.ids_nk, list(test.queries), list(test.corpus))


def rerank_run(score: Score, test: Retrieval, run: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """A run's documents in the order of a reranker's scores, equal ones in the order of the run.

    Args:
        score: Who says how good an answer is, such as `CrossEncoder.score`.
        test: Where the texts are.
        run: Query id -> document ids, best first.

    Raises:
        InputError: A score that is no number; a query or a document that is not there.

    Examples:
        >>> test = Retrieval({"1": "a fox", "2": "a red fox"}, {"q": "fox"}, {"q": {"2": 1.0}}, "memory")
        >>> rerank_run(lambda queries, documents: [len(d) for d in documents], test, {"q": ["1", "2"]})
        {'q': ['2', '1']}
    """
    for ranked in run.values():
        refuse_string(ranked, "run")
    try:
        queries = [test.prompts.get(query, "") + test.queries[query] for query in run]
        texts = [[test.corpus[document] for document in ranked] for ranked in run.values()]
    except KeyError as error:
        raise InputError(f"the run has {error}, which is not in the test", fix="give a run of this test") from error
    ordered = reranked(score, queries, texts)
    return {
        query: [ranked[i] for i in order.tolist()]
        for (query, ranked), (order, _) in zip(run.items(), ordered, strict=True)
    }


def evaluate_reranking(
    score: Score,
    test: Retrieval,
    run: Mapping[str, Sequence[str]],
    *,
    metrics: Sequence[str] = RERANKED,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Reranking:
    """Figures of a run before and after it is put in a reranker's order.

    What the run did not find nobody can put higher: the best that is possible is the share that it found.

    Args:
        score: Who says how good an answer is, such as `CrossEncoder.score`.
        test: Who should find what.
        run: Query id -> document ids, best first, such as `candidates`.
        metrics: NAME@K each, as for `evaluate_rankings`.
        samples: Bootstrap resamples, 0 for no intervals and no differences.
        seed: Of the bootstrap.

    Raises:
        InputError: As `rerank_run`, or an unknown metric.

    Examples:
        >>> test = Retrieval({"1": "a fox", "2": "a red fox"}, {"q": "fox"}, {"q": {"2": 1.0}}, "memory")
        >>> found = evaluate_reranking(lambda queries, documents: [len(d) for d in documents], test, {"q": ["1", "2"]})
        >>> found.before["recall@1"].value, found.after["recall@1"].value
        (0.0, 1.0)
    """
    refuse_string(metrics, "metrics")
    for name in metrics:  # before anything is scored
        parse_metric(name)
    for ranked in run.values():
        refuse_string(ranked, "run")
    measured, notes = prepared(test)
    runs = {query: ranked for query, ranked in run.items() if query in measured.queries}
    ordered = rerank_run(score, measured, runs)
    before, after = (
        evaluate_rankings(one, measured.qrels, metrics=metrics, source=test.source, samples=samples, seed=seed)
        for one in (runs, ordered)
    )
    paired = samples > 0 and len(measured.queries) > 1
    differences = {name: compare(before[name], after[name], samples=samples, seed=seed) for name in metrics if paired}
    shown = Result(after.task, after.source, after.figures, (*after.notes, *notes))
    return Reranking(before, shown, differences, ordered)
