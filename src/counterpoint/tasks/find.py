"""Queries that should find theirs in a corpus, of any modality on either side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.errors import refuse_string
from counterpoint.evaluate import Figure, Found, evaluate_judged, similarity, similarity_of
from counterpoint.evaluate.places import place
from counterpoint.report.content import Hit, Map, Query, QueryList, Scores, project_2d
from counterpoint.search import BM25, maxsim_rows, reciprocal_rank_fusion
from counterpoint.search.exact import SCORES, Metric, ScoreRows, score_rows
from counterpoint.search.language import across
from counterpoint.tasks.collection import Collection
from counterpoint.tasks.show import picture_of, said, some_pictures
from counterpoint.tasks.task import Encodes, EncodesEach, Measured, Task, comparable, counted

RETRIEVAL = ("mrr@10", "recall@1", "recall@10", "ndcg@10")
"""What retrieval is measured by."""
LINKS = ("mrr", "hit@1", "hit@3", "hit@10", "mean rank")
"""What the completion of knowledge graphs is measured by: every answer counts, however far down."""
Sides: TypeAlias = tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]
_DEPTH = 100
_MAPPED = 150


class Find(Task):
    """Queries that should find their documents among many, ranked by the encoder's own similarity.

    Queries are encoded with the kind "query", documents with the kind "document". Texts that should find texts have
    BM25 as a baseline, and its fusion with the trained encoder.

    Args:
        test: What the figures are of.
        dev: What training is validated by.
        metrics: What is measured (`counterpoint.evaluate.evaluate_judged`); the first is what is chosen by.
        floors: What has learned nothing and is measured, too, by name.

    Examples:
        >>> from counterpoint.data import Retrieval
        >>> class Letters:
        ...     def encode_items(self, items, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in items.texts], np.float32)
        >>> test = Collection.of(Retrieval({"1": "aab", "2": "ccc"}, {"q": "c"}, {"q": {"2": 1.0}}, "memory"))
        >>> Find(test, test).measure("letters", Letters()).figures["mrr@10"].value
        1.0
    """

    unit = "queries"

    def __init__(
        self,
        test: Collection,
        dev: Collection,
        *,
        metrics: Sequence[str] = RETRIEVAL,
        floors: Mapping[str, Encodes] = MappingProxyType({}),
    ) -> None:
        refuse_string(metrics, "metrics")
        self.test, self.dev, self.notes = test, dev, test.notes
        self.floors = floors
        self.metrics, self.metric = tuple(metrics), metrics[0]
        self.lower = tuple(name for name in metrics if name == "mean rank")

    def validate(self, encoder: Encodes) -> float:
        """The metric to choose by on dev."""
        found = place(rows_of(encoder, self.dev), self.dev.answers)
        return evaluate_judged(found.judged, metrics=[self.metric], samples=0)[self.metric].value

    def measure(self, name: str, encoder: Encodes) -> Measured:
        """Exact search; by late interaction where the encoder gives several vectors an item."""
        z, metric = sides(encoder, self.test), similarity_of(encoder)
        if not isinstance(encoder, EncodesEach):
            return self.measured(name, z, metric)
        found = place(rows_of(encoder, self.test), self.test.answers, _DEPTH + 1)
        return Measured(name, self._figures(found), found, z, metric)

    def measured(self, name: str, z: Sides, metric: Metric) -> Measured:
        """The same with the vectors of the queries and of the corpus at hand."""
        found = ranked(z, metric, self.test, _DEPTH + 1)
        return Measured(name, self._figures(found), found, z, metric)

    def baselines(self, language: str = "auto") -> list[Measured]:
        """Of texts BM25 at its best (stemmed, weakly normalised), and by the textbook without stemming; the floors.

        Where queries are in another language than documents, or in several, the best has runs of characters, too.
        """
        floors = [self.measure(name, floor) for name, floor in self.floors.items()]
        return [*(self._lexical(language) if self._texts else ()), *floors]

    def combined(self, baselines: Sequence[Measured], trained: Measured) -> list[Measured]:
        """BM25 and the encoder by reciprocal rank fusion of the 100 best of each; all others share the last place."""
        if not self._texts:
            return []
        found = [m.found for m in (baselines[0], trained) if m.found is not None]
        # a last column of -1 where a corpus is smaller, so that fusion knows that nothing follows
        ids = [np.pad(f.ids_nk, ((0, 0), (0, _DEPTH + 1 - f.ids_nk.shape[1])), constant_values=-1) for f in found]
        scores = [np.pad(f.scores_nk, ((0, 0), (0, _DEPTH + 1 - f.ids_nk.shape[1]))) for f in found]
        fused = reciprocal_rank_fusion(ids, scores=scores, depth=2 * _DEPTH)
        both = place(_spread(*fused, len(self.test.corpus)), self.test.answers)
        return [Measured(f"{baselines[0].name} + {trained.name}", self._figures(both))]

    def scores(self, measured: Measured) -> Scores:
        """Each query with its document, and with another query's."""
        q, d, rows = self._pairs(measured)
        positive, negative = (similarity(q, d[some], measured.similarity) for some in (rows, np.roll(rows, 1)))
        return counted(positive, negative, measured.similarity)

    def picture(self, before: Measured, after: Measured) -> Map:
        """Queries and their documents, linked."""
        maps = []
        for measured in (before, after):
            q, d, rows = self._pairs(measured)
            maps.append(project_2d(np.concatenate([q[:_MAPPED], d[rows[:_MAPPED]]])))
        n = min(_MAPPED, len(self.test.queries))
        found = self._pairs(after)[2][:n].tolist()
        kinds = (self.test.queries.modality, self.test.corpus.modality)
        queries, documents = kinds if kinds[0] != kinds[1] else ("query", "document")
        return Map(
            maps[0],
            maps[1],
            texts=(*(said(self.test.queries, i) for i in range(n)), *(said(self.test.corpus, d) for d in found)),
            labels=(queries,) * n + (documents,) * n,
            links=tuple((i, n + i) for i in range(n)),
            pictures=some_pictures((self.test.queries, range(n)), (self.test.corpus, found)),
        )

    def queries(self, before: Measured, after: Measured) -> tuple[QueryList, ...]:
        """Those that gained most and those still worst."""
        first = [self._found(m).judged.first_n.tolist() for m in (before, after)]
        ranks = dict(zip(self.test.answers.judged, zip(*first, strict=True), strict=True))
        # equals in an order that knows nothing of them
        key = self.test.queries.hashes().tolist()
        asked = sorted(ranks, key=lambda q: (key[q], self.test.answers.queries[q]))

        def gain(q: int) -> float:
            return float(1 / ranks[q][1] - 1 / ranks[q][0])

        best = sorted(asked, key=gain, reverse=True)[:5]
        worst = sorted(asked, key=lambda q: (ranks[q][1], -gain(q)), reverse=True)[:5]
        return (
            QueryList("Gained most", tuple(self._query(q, ranks[q], after) for q in best)),
            QueryList("Still worst", tuple(self._query(q, ranks[q], after) for q in worst)),
        )

    def _query(self, q: int, ranks: tuple[float, float], measured: Measured) -> Query:
        right = [d for d, gain in self.test.answers.relevant[q].items() if gain > 0]
        best = [d for d in self._found(measured).ids_nk[q, :3].tolist() if d >= 0]
        queries, corpus = self.test.queries, self.test.corpus
        hits = tuple(Hit(said(corpus, d), right=d in right, picture=picture_of(corpus, d)) for d in best)
        gold, pictures = said(corpus, right[0]), (picture_of(queries, q), picture_of(corpus, right[0]))
        return Query(said(queries, q), gold, _rank(ranks[0]), _rank(ranks[1]), hits, *pictures)

    @property
    def _texts(self) -> bool:
        return self.test.queries.modality == self.test.corpus.modality == "text"

    def _lexical(self, language: str) -> Iterator[Measured]:
        queries, documents = list(self.test.queries.texts), list(self.test.corpus.texts)
        # words of another language are found by what they share with those of the documents'
        best: dict[str, Any] = {"k1": 0.6, "b": 0.75, "grams": 4} if across(queries, documents) else {}
        for name, index in (
            ("BM25", BM25(documents, language=language, **best)),
            ("textbook BM25", BM25(documents, k1=1.5, b=0.75, language="")),
        ):
            found = place(index.score_rows(queries), self.test.answers, _DEPTH + 1)
            answered = index.answered(queries)
            yield Measured(name, self._figures(found), found, about=index.describe(), answered=answered)

    def _figures(self, found: Found) -> dict[str, Figure]:
        return dict(evaluate_judged(found.judged, metrics=self.metrics))

    @staticmethod
    def _found(measured: Measured) -> Found:
        assert measured.found is not None  # of what this task measured itself
        return measured.found

    def _pairs(self, measured: Measured) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries and documents as they are compared, and each query's first right document."""
        relevant = self.test.answers.relevant
        rows = [next(d for d, gain in relevant[q].items() if gain > 0) for q in range(len(self.test.queries))]
        queries, documents = (comparable(z, measured.similarity) for z in measured.z)
        return queries, documents, np.array(rows)


def on_new(measured: Sequence[Measured], metric: str, known: frozenset[str]) -> tuple[str, ...]:
    """The metric over the queries that are not known, said in a sentence; nothing if all or none are."""
    items = measured[0].figures[metric].items
    new = np.array([item not in known for item in items])
    if new.all() or not new.any():
        return ()
    said = ", ".join(f"{m.name} {m.figures[metric].values[new].mean():.3f}" for m in measured)
    return (f"over the {new.sum():,} test queries none of whose documents was trained on, {metric} is: {said}",)


def sides(encoder: Encodes, asked: Collection) -> Sides:
    """The vectors of the queries and of the corpus."""
    return encoder.encode_items(asked.queries, kind="query"), encoder.encode_items(asked.corpus, kind="document")


def rows_of(encoder: Encodes, asked: Collection) -> Iterator[ScoreRows]:
    """The scores of all documents for each query, by the encoder's own similarity."""
    if isinstance(encoder, EncodesEach):
        queries, documents = asked.queries, asked.corpus
        return maxsim_rows(encoder.encode_each(queries, kind="query"), encoder.encode_each(documents, kind="document"))
    return score_rows(*sides(encoder, asked), metric=similarity_of(encoder))


def ranked(z: Sides, metric: Metric, asked: Collection, k: int = 0) -> Found:
    """Where the right documents stand, and the `k` best."""
    return place(score_rows(*z, metric=metric), asked.answers, k)


def _spread(
    ids_nk: Int64[np.ndarray, "n k"], scores_nk: Float[np.ndarray, "n k"], documents: int
) -> Iterator[ScoreRows]:
    """Whole rows of scores from lists of the best: 0 for what is in none."""
    step = max(1, SCORES // documents)
    for start in range(0, len(ids_nk), step):
        ids_bk, best_bk = ids_nk[start : start + step], scores_nk[start : start + step]
        row, column = np.nonzero(ids_bk >= 0)
        scores_bm = np.zeros((len(ids_bk), documents), dtype=np.float32)
        scores_bm[row, ids_bk[row, column]] = best_bk[row, column]
        yield ScoreRows(scores_bm, scores_bm.max(1))


def _rank(expected: float) -> float:
    """A rank as it is shown: 0 where not found, halves and the like for ties."""
    if np.isinf(expected):
        return 0
    return int(expected) if expected == int(expected) else round(expected, 1)
