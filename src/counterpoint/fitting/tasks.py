"""What a run is measured by: a task for each kind of data, with its figures, its examples and its pictures."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.data import Example, Retrieval, TextData, input_hash, retrieval_from_pairs
from counterpoint.encoders import Encoder, StaticEncoder, encode_prompted
from counterpoint.evaluate import Figure, Found, evaluate_judged, figure, knn, probe, sts
from counterpoint.evaluate.encoder import place_encoded
from counterpoint.evaluate.places import place, prepared
from counterpoint.report.content import Hit, Map, Query, QueryList, Scores, project_2d
from counterpoint.search import BM25, reciprocal_rank_fusion
from counterpoint.search.exact import SCORES, ScoreRows
from counterpoint.search.words import spaceless

_METRICS = ("mrr@10", "recall@1", "recall@10", "ndcg@10")
_DEPTH = 100
_MAPPED = 150


@dataclass(frozen=True)
class Measured:
    """One system's figures on the test, and what it said of each item."""

    name: str
    figures: dict[str, Figure]
    found: Found | None = None
    z: tuple[Float[np.ndarray, "n d"], ...] = ()
    about: str = ""
    answered: float | None = None
    """The share of queries that it found any document for; None where it ranks all documents."""


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

    def baselines(self, language: str = "auto") -> list[Measured]:
        """Systems without an encoder; `language` is that of the texts, see `BM25`."""
        del language
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
    """Queries that should find their documents among many: MRR@10, recall@1, recall@10, nDCG@10.

    Args:
        test: What the figures are of.
        dev: What training is validated by, among fewer documents where encoding is slow.
        encoder: Of the kind that is measured.
    """

    metric = "mrr@10"
    unit = "queries"

    def __init__(self, test: Retrieval, dev: Retrieval, encoder: Encoder) -> None:
        self.test, self.notes = prepared(test)
        self.dev = _among_fewer(prepared(dev)[0], encoder)

    @classmethod
    def of_pairs(cls, test: TextData, dev: TextData, others: Sequence[Example], encoder: Encoder) -> RetrievalTask:
        """Held-out pairs, among all documents of the data."""
        documents = [text for e in others for text in (*e.positives, *e.negatives)]
        return cls(
            retrieval_from_pairs(test.examples, documents, test.source),
            retrieval_from_pairs(dev.examples, documents, dev.source),
            encoder,
        )

    def validate(self, encoder: Encoder) -> float:
        """MRR@10 on dev."""
        found, _ = place_encoded(encoder, self.dev)
        return evaluate_judged(found.judged, metrics=["mrr@10"], samples=0)["mrr@10"].value

    def measure(self, name: str, encoder: Encoder) -> Measured:
        """Exact search by cosine."""
        found, z = place_encoded(encoder, self.test, _DEPTH + 1)
        return Measured(name, _figures(found), found, z)

    def baselines(self, language: str = "auto") -> list[Measured]:
        """BM25 at its best (stemmed, weakly normalised), and with the textbook's settings and no stemming."""
        documents = list(self.test.corpus.values())
        measured = []
        for name, index in (
            ("BM25", BM25(documents, language=language)),
            ("textbook BM25", BM25(documents, k1=1.5, b=0.75, language="")),
        ):
            queries = list(self.test.queries.values())
            found = place(index.score_rows(queries), self.test, _DEPTH + 1)
            answered = index.answered(queries)
            measured.append(Measured(name, _figures(found), found, about=index.describe(), answered=answered))
        return measured

    def combined(self, baselines: Sequence[Measured], trained: Measured) -> list[Measured]:
        """BM25 and the encoder by reciprocal rank fusion of the 100 best of each; all others share the last place."""
        found = [m.found for m in (baselines[0], trained) if m.found is not None]
        # a last column of -1 where a corpus is smaller, so that fusion knows that nothing follows
        ids = [np.pad(f.ids_nk, ((0, 0), (0, _DEPTH + 1 - f.ids_nk.shape[1])), constant_values=-1) for f in found]
        scores = [np.pad(f.scores_nk, ((0, 0), (0, _DEPTH + 1 - f.ids_nk.shape[1]))) for f in found]
        fused = reciprocal_rank_fusion(ids, scores=scores, depth=2 * _DEPTH)
        both = place(_spread(*fused, len(self.test.corpus)), self.test)
        return [Measured(f"{baselines[0].name} + {trained.name}", _figures(both))]

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
        first = [self._found(m).judged for m in (before, after)]
        ranks = dict(zip(first[0].queries, zip(*(f.first_n.tolist() for f in first), strict=True), strict=True))
        # equals in an order that knows nothing of them
        asked = sorted(ranks, key=lambda q: (input_hash(self.test.queries[q]), q))

        def gain(q: str) -> float:
            return float(1 / ranks[q][1] - 1 / ranks[q][0])

        best = sorted(asked, key=gain, reverse=True)[:5]
        worst = sorted(asked, key=lambda q: (ranks[q][1], -gain(q)), reverse=True)[:5]
        return (
            QueryList("Gained most", tuple(self._query(q, ranks[q], after) for q in best)),
            QueryList("Still worst", tuple(self._query(q, ranks[q], after) for q in worst)),
        )

    def _query(self, q: str, ranks: tuple[float, float], measured: Measured) -> Query:
        right = {d for d, gain in self.test.qrels[q].items() if gain > 0}
        names, row = list(self.test.corpus), list(self.test.queries).index(q)
        best = [names[i] for i in self._found(measured).ids_nk[row, :3].tolist() if i >= 0]
        hits = tuple(Hit(self.test.corpus[d], right=d in right) for d in best)
        gold = next(self.test.corpus[d] for d in self.test.qrels[q] if d in right)
        return Query(self.test.queries[q], gold, _rank(ranks[0]), _rank(ranks[1]), hits)

    @staticmethod
    def _found(measured: Measured) -> Found:
        assert measured.found is not None  # of what this task measured itself
        return measured.found

    def _pairs(self, measured: Measured) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normalised queries and documents, and each query's first right document."""
        number = {name: i for i, name in enumerate(self.test.corpus)}
        qrels = (self.test.qrels[q] for q in self.test.queries)
        rows = [next(number[d] for d, gain in gains.items() if gain > 0) for gains in qrels]
        queries, documents = (_normalised(z) for z in measured.z)
        return queries, documents, np.array(rows)


def on_new(measured: Sequence[Measured], metric: str, known: frozenset[str]) -> tuple[str, ...]:
    """The metric over the queries that are not known, said in a sentence; nothing if all or none are."""
    items = measured[0].figures[metric].items
    new = np.array([item not in known for item in items])
    if new.all() or not new.any():
        return ()
    said = ", ".join(f"{m.name} {m.figures[metric].values[new].mean():.3f}" for m in measured)
    return (f"over the {new.sum():,} test queries none of whose documents was trained on, {metric} is: {said}",)


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


def _among_fewer(test: Retrieval, encoder: Encoder) -> Retrieval:
    """A test among its relevant documents and a sample of the others, so that validating takes little of the time."""
    most = 10_000 if isinstance(encoder, StaticEncoder) else 2_000
    relevant = {d for gains in test.qrels.values() for d, gain in gains.items() if gain > 0}
    others = [d for d in test.corpus if d not in relevant]
    kept = relevant.union(others[:: max(1, len(others) // most)])
    return replace(test, corpus={d: text for d, text in test.corpus.items() if d in kept})


def halves(data: TextData) -> list[Example]:
    """Texts without partners make a test of their own: one half of a text's words should find the other half.

    Examples:
        >>> halves(TextData("texts", [Example("a b c d")], "memory"))[0].texts
        ('a c', 'b d')

    Where there are no blanks, pairs of characters stand for words.
    """
    found = []
    for e in data.examples:
        words, blank = e.anchor.split(), " "
        if len(words) <= 3 and any(map(spaceless, e.anchor)):
            words, blank = [e.anchor[i : i + 2] for i in range(0, len(e.anchor), 2)], ""
        if len(words) > 3:
            found.append(Example(blank.join(words[::2]), (blank.join(words[1::2]),)))
    return found


def _figures(found: Found) -> dict[str, Figure]:
    return dict(evaluate_judged(found.judged, metrics=_METRICS))


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


def _scored(encoder: Encoder, data: TextData) -> tuple[np.ndarray, np.ndarray, list[float]]:
    b = encoder.encode([e.positives[0] for e in data.examples])
    return encoded(encoder, data), _normalised(b), [float(e.score or 0) for e in data.examples]


def encoded(encoder: Encoder, data: TextData) -> np.ndarray:
    """The anchors, each after its row's prompt, as vectors of length one."""
    return _normalised(encode_prompted(encoder, [e.anchor for e in data.examples], [e.prompt for e in data.examples]))


def _normalised(z: np.ndarray) -> np.ndarray:
    norm: np.ndarray = np.linalg.norm(z, axis=1, keepdims=True)
    return np.asarray(z / np.where(norm > 0, norm, 1.0))
