"""Where relevant documents stand among all, whatever scores them; ties and what is left out are decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int64

from counterpoint.data.hashing import input_hash, normalise
from counterpoint.data.types import Retrieval
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.ranking import Judged, relevant_of
from counterpoint.search.exact import TIED, ScoreRows, top_k

_NEAR = 1e-5  # what a float32 product of two vectors may be off by, and TIED


@dataclass(frozen=True)
class Found:
    """What a search of a whole corpus found.

    Attributes:
        judged: Where the relevant documents stand.
        ids_nk: For each query of the test the rows of the best documents, best first; -1 where there are no more.
        scores_nk: Their scores; -inf where there are no more.
    """

    judged: Judged
    ids_nk: Int64[np.ndarray, "n k"]
    scores_nk: Float[np.ndarray, "n k"]


@dataclass(frozen=True, eq=False)
class Answers:
    """Who should find what, by rows: of queries, and of the documents of a corpus.

    Attributes:
        queries: The name of each query.
        documents: How many documents there are.
        relevant: Query -> document -> gain, in the order in which figures name the queries; only gains above 0 are
            relevant. A document below 0 is not in the corpus, so that it is not found.
        uncounted: Query -> documents that are taken out of its results, neither right nor wrong: itself, or its other
            known answers (the filtered ranking of Bordes et al. 2013).

    Examples:
        >>> answers = Answers(("q",), 3, {0: {2: 1.0}}, {0: [0]})
        >>> rows = ScoreRows(np.array([[0.9, 0.5, 0.7]], dtype=np.float32), np.ones(1))
        >>> place([rows], answers).judged.above_nr
        array([[0]])
    """

    queries: Sequence[str]
    documents: int
    relevant: Mapping[int, Mapping[int, float]]
    uncounted: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_string(self.queries, "queries")

    @property
    def judged(self) -> list[int]:
        """The queries that have a relevant document, in the order of the figures."""
        return [query for query, gains in self.relevant.items() if any(gain > 0 for gain in gains.values())]


def answers_of(test: Retrieval) -> Answers:
    """A test by rows, in the order of its queries and of its corpus; a query that is a document does not find itself.

    Raises:
        InputError: Judgements of a query that is not there.

    Examples:
        >>> answers_of(Retrieval({"1": "a", "2": "b"}, {"q": "x"}, {"q": {"2": 1.0}}, "memory")).relevant
        {0: {1: 1.0}}
    """
    row, column = ({name: i for i, name in enumerate(side)} for side in (test.queries, test.corpus))
    if unknown := [query for query in test.qrels if query not in row]:
        raise InputError(
            f"queries that are judged and not there: {len(unknown):,}, such as {unknown[0]!r}",
            file=test.source,
            fix="give their texts, or leave out their judgements",
        )
    relevant = {
        row[q]: {column.get(document, -1 - i): gain for i, (document, gain) in enumerate(gains.items())}
        for q, gains in test.qrels.items()
    }
    return Answers(list(row), len(column), relevant, {row[q]: [column[q]] for q in own_documents(test)})


def place(scores: Iterable[ScoreRows], test: Retrieval | Answers, k: int = 0) -> Found:
    """Find the places of a test's relevant documents among all its documents.

    Every figure of a ranking is computed from these places: how many documents of the corpus score higher than a
    relevant one, and how many score the same (see `Judged`). No list is cut off before, so a group of equal scores is
    whole. Scores that differ by rounding errors alone (`TIED`) are the same: those near a relevant document's are
    computed again in float64, so neither the order of the rows nor the size of the blocks tells them apart. A document
    with a score of -inf (what BM25 finds no word in) is not found and counts 0, as it is not in the list that a search
    returns; it is not one of those that share the last place. A query that is itself a document of the corpus does not
    find itself (`prepared`).

    Args:
        scores: Rows of scores of all queries with all documents, in their order, from `score_rows`,
            `BM25.score_rows` or another system.
        test: Who should find what.
        k: How many of the best documents to list for each query; equal scores in the order of the corpus.

    Raises:
        InputError: Another number of scores, a score that is NaN, judgements of a query that is not there, or no query
            with a relevant document.

    Examples:
        >>> from counterpoint.search.exact import score_rows
        >>> test = Retrieval({"1": "a", "2": "b", "3": "c"}, {"q": "x"}, {"q": {"3": 1.0}}, "memory")
        >>> documents = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8]], dtype=np.float32)
        >>> found = place(score_rows(documents[:1], documents), test, k=1)
        >>> found.judged.above_nr, found.judged.tied_nr, found.ids_nk
        (array([[1]]), array([[2]]), array([[0]]))
    """
    answers = answers_of(test) if isinstance(test, Retrieval) else test
    n, m = len(answers.queries), answers.documents
    relevant, left_out = relevant_of(answers.relevant)
    places = {query: [(0, 0, gain) for gain in gains.values()] for query, gains in relevant.items()}
    done = 0
    best = [(np.empty((0, min(k, m)), np.int64), np.empty((0, min(k, m)), np.float32))]
    for rows in scores:
        scores_bm = rows.scores_bm
        if scores_bm.shape[1] != m or done + len(scores_bm) > n or np.isnan(scores_bm).any():
            raise InputError(
                f"scores of shape {scores_bm.shape}, or NaN among them, where {n - done:,} queries and "
                f"{m:,} documents are left",
                fix="give a row for each query with a number for each document",
            )
        for row, query in enumerate(range(done, done + len(scores_bm))):
            scores_bm[row, list(answers.uncounted.get(query, ()))] = -np.inf
            if query in relevant:
                there = [document for document in relevant[query] if document >= 0]
                stand = dict(zip(there, _stand(rows, row, np.array(there, np.int64)), strict=True))
                places[query] = [(*stand.get(d, (0, 0)), gain) for d, gain in relevant[query].items()]
        done += len(scores_bm)
        if k:
            ids_bk, best_bk = (t.numpy() for t in top_k(torch.from_numpy(scores_bm), k))
            best.append((np.where(np.isneginf(best_bk), -1, ids_bk), best_bk))
    if done != n:
        raise InputError(f"{done:,} rows of scores for {n:,} queries", fix="give one for each")
    ids_nk, scores_nk = (np.concatenate(parts) for parts in zip(*best, strict=True))
    return Found(Judged.of([answers.queries[q] for q in places], places.values(), left_out), ids_nk, scores_nk)


def _stand(rows: ScoreRows, row: int, at_r: Int64[np.ndarray, " r"]) -> list[tuple[int, int]]:
    """How many documents score higher than those at these columns, and how many as high; (0, 0) for what has none."""
    score_m, scale = rows.scores_bm[row], float(rows.scale_b[row])
    found_r = ~np.isneginf(score_m[at_r])
    near_m = np.zeros(len(score_m), dtype=bool)
    for score in set(score_m[at_r[found_r]].tolist()):
        near_m |= (score_m >= np.float32(score - _NEAR * scale)) & (score_m <= np.float32(score + _NEAR * scale))
    near_c, far_m = np.flatnonzero(near_m), score_m[~near_m]
    score_c = rows.exactly(row, near_c)
    order_c = np.argsort(-score_c, kind="stable")
    new_c = np.diff(-score_c[order_c], prepend=-np.inf) > TIED * scale
    group_c = np.empty(len(near_c), dtype=np.int64)
    group_c[order_c] = new_c.cumsum() - 1
    size_g = np.bincount(group_c)
    above_g = size_g.cumsum() - size_g
    stand = [(0, 0)] * len(at_r)
    for i in np.flatnonzero(found_r).tolist():
        g = group_c[np.searchsorted(near_c, at_r[i])]
        stand[i] = (int(above_g[g]) + int(np.count_nonzero(far_m > score_m[at_r[i]])), int(size_g[g]))
    return stand


def prepared(test: Retrieval) -> tuple[Retrieval, tuple[str, ...]]:
    """A test as it is measured, and what is to be said of it.

    Queries that are not judged, or for which nothing is relevant, are left out. A query that is itself a document of
    the corpus (the same id and, after `normalise`, the same text, with or without a title before it) does not find
    itself, as in BEIR (`ignore_identical_ids`), and is not judged by that; equal ids of different texts mean nothing.
    The documents are put in the order of a hash of their texts, which knows nothing of the answers: where a list of
    the best is shown, equal scores stand in this order.

    Raises:
        InputError: No query has a relevant document.

    Examples:
        >>> corpus = {"q": "a car", "d": "a red car", "r": "a boat"}
        >>> queries = {"q": "A car", "r": "a lake", "s": "a ship"}
        >>> test = Retrieval(corpus, queries, {"q": {"d": 1}, "r": {"q": 1}}, "memory")
        >>> for note in prepared(test)[1]:
        ...     print(note)
        queries left out, as they are not judged: 1
        queries that are documents of the corpus, each left out of its own results: 1
        queries with the id of a document of another text, which stays in their results: 1
    """
    itself, others = own_documents(test), without_itself(test)
    relevant, left_out = relevant_of(others)
    queries = {q: text for q, text in test.queries.items() if q in relevant}
    counts = {
        "queries left out, as they are not judged": len(test.queries.keys() - test.qrels.keys()),
        "queries left out, as no document is relevant": left_out,
        "queries that are documents of the corpus, each left out of its own results": len(itself & queries.keys()),
        "queries with the id of a document of another text, which stays in their results": len(
            (queries.keys() & test.corpus.keys()) - itself
        ),
    }
    qrels = {q: others[q] for q in relevant}
    measured = replace(test, corpus=by_hash(test.corpus), queries=queries, qrels=qrels)
    return measured, tuple(f"{what}: {n:,}" for what, n in counts.items() if n)


def by_hash(corpus: Mapping[str, str]) -> dict[str, str]:
    """The documents in the order of a hash of their texts, equal texts by id.

    Examples:
        >>> by_hash({"1": "a", "2": "b"}) == by_hash({"2": "b", "1": "a"})
        True
        >>> list(by_hash({"1": "a", "2": "b", "3": "c"}))
        ['3', '1', '2']
    """
    place = dict(zip(corpus, input_hash(list(corpus.values())).tolist(), strict=True))
    return {document: corpus[document] for document in sorted(corpus, key=lambda d: (place[d], d))}


def without_itself(test: Retrieval) -> dict[str, dict[str, float]]:
    """The judgements, without those of a query with itself (`own_documents`)."""
    itself = own_documents(test)
    return {q: {d: gain for d, gain in gains.items() if d != q or q not in itself} for q, gains in test.qrels.items()}


def own_documents(test: Retrieval) -> frozenset[str]:
    """The queries that are documents: with the id of one, whose text is theirs or ends with theirs after its title.

    Examples:
        >>> corpus = {"1": "Cars A car", "2": "a boat"}
        >>> own_documents(Retrieval(corpus, {"1": "a  car", "2": "a lake"}, {}, "memory"))
        frozenset({'1'})
    """
    both = test.queries.keys() & test.corpus.keys()
    same = {q: (normalise(test.queries[q]), normalise(test.corpus[q])) for q in both}
    return frozenset(q for q, (query, document) in same.items() if f" {document}".endswith(f" {query}"))
