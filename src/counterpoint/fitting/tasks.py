"""What a run is measured by: a task for each kind of data, with its figures, its examples and its pictures."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from counterpoint.data import Example, Retrieval, TextData, retrieval_from_pairs
from counterpoint.encoders import Encoder, StaticEncoder, encode_prompted
from counterpoint.evaluate import Figure, evaluate_rankings, figure, knn, named, probe, sts
from counterpoint.report.content import Hit, Map, Query, QueryList, Scores, project_2d
from counterpoint.search import BM25, exact_search, reciprocal_rank_fusion

_METRICS = ("mrr@10", "recall@1", "recall@10", "ndcg@10")
_DEPTH = 100
_MAPPED = 150


@dataclass(frozen=True)
class Measured:
    """One system's figures on the test, and what it said of each item."""

    name: str
    figures: dict[str, Figure]
    ranking: dict[str, list[str]] = field(default_factory=dict)
    z: tuple[Float[np.ndarray, "n d"], ...] = ()


class Task(abc.ABC):
    """How good is an encoder? On dev while training, on test before and after."""

    metric: str
    unit: str
    notes: tuple[str, ...] = ()
    """What must be known to read the figures, such as what was left out of them and why; sentences."""

    @abc.abstractmethod
    def validate(self, encoder: Encoder) -> float:
        """The metric on dev."""

    @abc.abstractmethod
    def measure(self, name: str, encoder: Encoder) -> Measured:
        """All figures on test, with intervals."""

    def baselines(self) -> list[Measured]:
        """Systems without an encoder."""
        return []

    def combined(self, baselines: Sequence[Measured], trained: Measured) -> list[Measured]:
        """The trained encoder together with a baseline."""
        del baselines, trained
        return []

    @abc.abstractmethod
    def scores(self, measured: Measured) -> Scores:
        """Cosines of pairs that belong together and of pairs that do not."""

    @abc.abstractmethod
    def picture(self, before: Measured, after: Measured) -> Map:
        """Some test items in two dimensions."""

    def queries(self, before: Measured, after: Measured) -> tuple[QueryList, ...]:
        """Test queries worth looking at."""
        del before, after
        return ()


class RetrievalTask(Task):
    """Queries that should find their documents among many: MRR@10, recall@1, recall@10, nDCG@10."""

    metric = "mrr@10"
    unit = "queries"

    def __init__(self, test: Retrieval, dev: Retrieval) -> None:
        self.test, self.dev = test, dev

    @classmethod
    def of_pairs(cls, test: TextData, dev: TextData, others: Sequence[Example], encoder: Encoder) -> RetrievalTask:
        """Held-out pairs, among all documents of the data; dev among fewer where encoding is slow."""
        documents = [text for e in others for text in (*e.positives, *e.negatives)]
        return cls(
            retrieval_from_pairs(test.examples, documents, test.source),
            retrieval_from_pairs(dev.examples, few(documents, encoder), dev.source),
        )

    def validate(self, encoder: Encoder) -> float:
        """MRR@10 on dev."""
        ranking, _ = self._rank(encoder, self.dev, 10)
        return evaluate_rankings(ranking, self.dev.qrels, metrics=["mrr@10"], samples=0)["mrr@10"].value

    def measure(self, name: str, encoder: Encoder) -> Measured:
        """Exact search by cosine."""
        ranking, z = self._rank(encoder, self.test, _DEPTH)
        return Measured(name, _figures(ranking, self.test), ranking, z)

    def baselines(self) -> list[Measured]:
        """BM25 at its best (stemmed, weakly normalised), and with the textbook's settings and no stemming."""
        documents = list(self.test.corpus.values())
        measured = []
        for name, index in (
            ("BM25", BM25(documents)),
            ("textbook BM25", BM25(documents, k1=1.5, b=0.75, stemmer="")),
        ):
            ids, _ = index.search(list(self.test.queries.values()), _DEPTH)
            ranking = named(ids, list(self.test.queries), list(self.test.corpus))
            measured.append(Measured(name, _figures(ranking, self.test), ranking))
        return measured

    def combined(self, baselines: Sequence[Measured], trained: Measured) -> list[Measured]:
        """BM25 and the encoder by reciprocal rank fusion."""
        number = {name: i for i, name in enumerate(self.test.corpus)}
        names = list(self.test.corpus)
        lists = [
            np.array([_filled([number[d] for d in m.ranking[q]]) for q in self.test.queries])
            for m in (baselines[0], trained)
        ]
        ids, _ = reciprocal_rank_fusion(lists)
        ranking = named(ids[:, :_DEPTH], list(self.test.queries), names)
        return [Measured(f"{baselines[0].name} + {trained.name}", _figures(ranking, self.test), ranking)]

    def scores(self, measured: Measured) -> Scores:
        """Each query with its document, and with another query's."""
        q, d, rows = self._pairs(measured)
        positive = (q * d[rows]).sum(1)
        return Scores.count(positive, (q * d[np.roll(rows, 1)]).sum(1))

    def picture(self, before: Measured, after: Measured) -> Map:
        """Queries and their documents, linked."""
        maps = []
        for measured in (before, after):
            q, d, rows = self._pairs(measured)
            maps.append(project_2d(np.concatenate([q[:_MAPPED], d[rows[:_MAPPED]]])))
        texts = list(self.test.queries.values())[:_MAPPED]
        documents = list(self.test.corpus.values())
        n = len(texts)
        return Map(
            maps[0],
            maps[1],
            texts=(*texts, *(documents[row] for row in self._pairs(after)[2][:n])),
            labels=("query",) * n + ("document",) * n,
            links=tuple((i, n + i) for i in range(n)),
        )

    def queries(self, before: Measured, after: Measured) -> tuple[QueryList, ...]:
        """Those that gained most and those still worst."""
        ranks = {q: (self._first(before, q), self._first(after, q)) for q in self.test.queries}

        def gain(q: str) -> float:
            a, b = ((1 / r if r else 0.0) for r in ranks[q])
            return b - a

        best = sorted(self.test.queries, key=gain, reverse=True)[:5]
        worst = sorted(self.test.queries, key=lambda q: (ranks[q][1] or _DEPTH + 1, -gain(q)), reverse=True)[:5]
        return (
            QueryList("Gained most", tuple(self._query(q, ranks[q], after) for q in best)),
            QueryList("Still worst", tuple(self._query(q, ranks[q], after) for q in worst)),
        )

    def _query(self, q: str, ranks: tuple[int, int], measured: Measured) -> Query:
        right = {d for d, gain in self.test.qrels.get(q, {}).items() if gain > 0}
        hits = tuple(Hit(self.test.corpus[d], right=d in right) for d in measured.ranking[q][:3])
        gold = next((self.test.corpus[d] for d in right), "")
        return Query(self.test.queries[q], gold, *ranks, results=hits)

    def _first(self, measured: Measured, q: str) -> int:
        right = {d for d, gain in self.test.qrels.get(q, {}).items() if gain > 0}
        return next((i + 1 for i, d in enumerate(measured.ranking[q]) if d in right), 0)

    def _rank(
        self, encoder: Encoder, test: Retrieval, depth: int
    ) -> tuple[dict[str, list[str]], tuple[np.ndarray, np.ndarray]]:
        prompts = [test.prompts.get(query, "") for query in test.queries]
        q = encode_prompted(encoder, list(test.queries.values()), prompts, kind="query")
        d = encoder.encode(list(test.corpus.values()), kind="document")
        ids, _ = exact_search(q, d, min(depth, len(d)))
        return named(ids, list(test.queries), list(test.corpus)), (q, d)

    def _pairs(self, measured: Measured) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normalised queries and documents, and each query's first right document."""
        number = {name: i for i, name in enumerate(self.test.corpus)}
        keep, rows = [], []
        for i, q in enumerate(self.test.queries):
            right = [number[d] for d, gain in self.test.qrels.get(q, {}).items() if gain > 0]
            if right:
                keep.append(i)
                rows.append(right[0])
        queries, documents = (_normalised(z) for z in measured.z)
        return queries[keep], documents, np.array(rows)


class STSTask(Task):
    """Scored pairs: Spearman and Pearson correlation of the cosine with the score."""

    metric = "spearman"
    unit = "pairs"

    def __init__(self, test: TextData, dev: TextData) -> None:
        self.test, self.dev = test, dev

    def validate(self, encoder: Encoder) -> float:
        """Spearman on dev."""
        a, b, gold = _scored(encoder, self.dev)
        return sts(a, b, gold, samples=0)["spearman"].value

    def measure(self, name: str, encoder: Encoder) -> Measured:
        """Correlations on test."""
        a, b, gold = _scored(encoder, self.test)
        return Measured(name, dict(sts(a, b, gold)), z=(a, b))

    def scores(self, measured: Measured) -> Scores:
        """Pairs scored in the upper and in the lower half of the scale."""
        a, b = measured.z
        gold = np.array([e.score for e in self.test.examples], dtype=float)
        cosine = (a * b).sum(1)
        high = gold > (gold.max() + gold.min()) / 2
        return Scores.count(cosine[high], cosine[~high])

    def picture(self, before: Measured, after: Measured) -> Map:
        """First sentences and their partners, linked; labelled by score."""
        chosen = self.test.examples[:_MAPPED]
        n = len(chosen)
        maps = [project_2d(np.concatenate([m.z[0][:n], m.z[1][:n]])) for m in (before, after)]
        return Map(
            maps[0],
            maps[1],
            texts=(*(e.anchor for e in chosen), *(e.positives[0] for e in chosen)),
            links=tuple((i, n + i) for i in range(n)),
        )


class LabelTask(Task):
    """Labelled texts: accuracy of the 10 nearest training texts, and of a logistic probe."""

    metric = "knn accuracy"
    unit = "texts"

    def __init__(self, train: TextData, test: TextData, dev: TextData) -> None:
        self.train, self.test, self.dev = train, test, dev

    def validate(self, encoder: Encoder) -> float:
        """kNN accuracy on dev."""
        return float(self._nearest(encoder, self.dev)[0].mean())

    def measure(self, name: str, encoder: Encoder) -> Measured:
        """kNN and probe accuracy on test."""
        hits, train, test = self._nearest(encoder, self.test)
        labels = [[e.label or "" for e in part.examples] for part in (self.train, self.test)]
        predicted = probe(train, labels[0], test)
        right = np.array([a == b for a, b in zip(predicted, labels[1], strict=True)], dtype=float)
        figures = {"knn accuracy": figure("knn accuracy", hits), "probe accuracy": figure("probe accuracy", right)}
        return Measured(name, figures, z=(test,))

    def scores(self, measured: Measured) -> Scores:
        """Neighbouring test texts of the same and of different labels."""
        (z,) = measured.z
        z = z[:1000]
        labels = np.array([e.label for e in self.test.examples[:1000]])
        cosine = z @ z.T
        upper = np.triu(np.ones(cosine.shape, dtype=bool), 1)
        same = labels[:, None] == labels[None]
        return Scores.count(cosine[upper & same], cosine[upper & ~same])

    def picture(self, before: Measured, after: Measured) -> Map:
        """Test texts by label."""
        chosen = self.test.examples[: 3 * _MAPPED]
        maps = [project_2d(m.z[0][: len(chosen)]) for m in (before, after)]
        return Map(maps[0], maps[1], texts=tuple(e.anchor for e in chosen), labels=tuple(e.label or "" for e in chosen))

    def _nearest(self, encoder: Encoder, part: TextData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        train, test = (encoded(encoder, p) for p in (self.train, part))
        predicted = knn(train, [e.label or "" for e in self.train.examples], test)
        right = [a == e.label for a, e in zip(predicted, part.examples, strict=True)]
        return np.array(right, dtype=float), train, test


def few(documents: list[str], encoder: Encoder) -> list[str]:
    """Documents to validate among: a sample, so that validating takes little of the time."""
    most = 10_000 if isinstance(encoder, StaticEncoder) else 2_000
    return documents[:: max(1, len(documents) // most)]


def halves(data: TextData) -> list[Example]:
    """Texts without partners make a test of their own: one half of a text's words should find the other half.

    Examples:
        >>> halves(TextData("texts", [Example("a b c d")], "memory"))[0].texts
        ('a c', 'b d')
    """
    words = [e.anchor.split() for e in data.examples]
    return [Example(" ".join(w[::2]), (" ".join(w[1::2]),)) for w in words if len(w) > 3]


def _figures(ranking: dict[str, list[str]], test: Retrieval) -> dict[str, Figure]:
    return dict(evaluate_rankings(ranking, test.qrels, metrics=_METRICS))


def _filled(row: list[int]) -> list[int]:
    return row + [-1] * (_DEPTH - len(row))


def _scored(encoder: Encoder, data: TextData) -> tuple[np.ndarray, np.ndarray, list[float]]:
    b = encoder.encode([e.positives[0] for e in data.examples])
    return encoded(encoder, data), _normalised(b), [float(e.score or 0) for e in data.examples]


def encoded(encoder: Encoder, data: TextData) -> np.ndarray:
    """The anchors, each after its row's prompt, as vectors of length one."""
    return _normalised(encode_prompted(encoder, [e.anchor for e in data.examples], [e.prompt for e in data.examples]))


def _normalised(z: np.ndarray) -> np.ndarray:
    norm: np.ndarray = np.linalg.norm(z, axis=1, keepdims=True)
    return np.asarray(z / np.where(norm > 0, norm, 1.0))
