"""Places of relevant documents: by brute force, and whatever the order of rows, blocks and documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Retrieval
from counterpoint.errors import InputError
from counterpoint.evaluate import (
    Answers,
    evaluate_judged,
    evaluate_retrieval,
    judge,
    own_documents,
    place,
    prepared,
    rank,
)
from counterpoint.search import BM25
from counterpoint.search.exact import ScoreRows, score_rows

WORDS = ("red", "green", "blue", "boat", "car", "lamp")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)


class Counts:
    """A text is how often it has each word, times a number: an encoder of few different scores."""

    def __init__(self, dim=6, scale=1.0):
        self.table = np.eye(6, dim, dtype=np.float32) * scale

    def encode(self, texts, *, kind=None):
        return np.array([sum(self.table[WORDS.index(w)] for w in text.split()) for text in texts])


class Constant:
    """Every text is the same but for rounding errors, which follow its length."""

    def encode(self, texts, *, kind=None):
        return np.array([np.full(16, 0.1, dtype=np.float32) * (1 + len(t) % 3 * 1e-7) for t in texts], np.float32)


@st.composite
def retrieval_tests(draw):
    corpus = {f"d{i}": text for i, text in enumerate(draw(st.lists(texts, min_size=1, max_size=12)))}
    queries = {f"q{i}": text for i, text in enumerate(draw(st.lists(texts, min_size=1, max_size=5)))}
    ids = st.sampled_from(list(corpus))
    qrels = {q: draw(st.dictionaries(ids, st.integers(1, 3), min_size=1, max_size=4)) for q in queries}
    return Retrieval(corpus, queries, qrels, "memory")


def shuffled(test, seed):
    draw = np.random.default_rng(seed)

    def mixed(table):
        keys = list(table)
        return {keys[i]: table[keys[i]] for i in draw.permutation(len(keys))}

    return Retrieval(mixed(test.corpus), mixed(test.queries), {q: mixed(g) for q, g in mixed(test.qrels).items()}, "")


def dense(test, encoder):
    sides = (encoder.encode(list(side.values())) for side in (test.queries, test.corpus))
    return place(score_rows(*sides), test)


def lexical(test):
    return place(BM25(list(test.corpus.values())).score_rows(list(test.queries.values())), test)


def by_query(judged):
    result = evaluate_judged(judged, metrics=["mrr@3", "recall@3", "ndcg@10", "map@10", "hit@1"], samples=0)
    return {name: dict(zip(f.items, f.values.tolist(), strict=True)) for name, f in result.items()}


@settings(max_examples=60)
@given(test=retrieval_tests(), seed=st.integers(0, 999), model=st.sampled_from([Counts(), Counts(2), Constant()]))
def test_shuffling_changes_no_figure(test, seed, model):
    other = shuffled(test, seed)
    assert by_query(dense(other, model).judged) == by_query(dense(test, model).judged)
    assert by_query(lexical(other).judged) == by_query(lexical(test).judged)
    first, second = (evaluate_retrieval(model, t, samples=0) for t in (test, other))
    assert {n: pytest.approx(f.value, abs=1e-12) for n, f in first.items()} == {n: f.value for n, f in second.items()}
    assert rank(model, test, 3).keys() == rank(model, other, 3).keys()


@settings(max_examples=60)
@given(test=retrieval_tests())
def test_places_are_those_of_the_whole_run(test):
    """With small whole numbers as coordinates, cosines that are equal are told by their squares, exactly."""
    corpus = list(test.corpus)
    q, d = (Counts().encode(list(side.values())).astype(int) for side in (test.queries, test.corpus))
    # cos^2 as a fraction, up to the query's own length
    run = {
        query: {name: round(float((a @ b) ** 2) / float(b @ b), 9) for name, b in zip(corpus, d, strict=True)}
        for query, a in zip(test.queries, q, strict=True)
    }
    expected, found = judge(run, test.qrels), dense(test, Counts(scale=0.37)).judged
    assert found.above_nr.tolist() == expected.above_nr.tolist()
    assert found.tied_nr.tolist() == expected.tied_nr.tolist()
    assert found.gains_nr.tolist() == expected.gains_nr.tolist()


@pytest.mark.parametrize("scores", [1, 40, 1 << 24])
def test_neither_blocks_nor_collapse_change_a_place(monkeypatch, scores):
    monkeypatch.setattr("counterpoint.search.exact.SCORES", scores)
    draw = np.random.default_rng(0)
    z = draw.normal(size=(40, 8)).astype(np.float32)
    z[20:] = z[:20] * draw.uniform(0.1, 9, size=(20, 1)).astype(np.float32)  # by cosine, copies
    for documents, tied in ((z, 2), (z * 1e-9 + 1, 40)):
        test = Retrieval({str(i): "x" for i in range(40)}, {"q": "y", "r": "y"}, {"q": {"3": 1}, "r": {"25": 1}}, "")
        found = place(score_rows(documents[[3, 25]], documents), test).judged
        assert found.above_nr[:, 0].tolist() == [0, 0]
        assert found.tied_nr[:, 0].tolist() == [tied, tied]


def test_what_is_not_found_counts_nothing_and_is_not_tied():
    test = Retrieval({"a": "red car", "b": "blue boat"}, {"q": "green lamp"}, {"q": {"a": 1.0}}, "memory")
    found = lexical(test)
    assert found.judged.tied_nr.tolist() == [[0]]
    assert by_query(found.judged)["recall@3"] == {"q": 0}
    assert np.isinf(found.judged.first_n).all()
    assert place(BM25(list(test.corpus.values())).score_rows(["green"]), test, k=2).ids_nk.tolist() == [[-1, -1]]


def test_scores_that_are_near_are_compared_as_exactly_as_they_are_to_be_had():
    test = Retrieval({"a": "red", "b": "blue"}, {"q": "red"}, {"q": {"a": 1}}, "memory")
    for exact, above, tied in (([0.5, 0.5], 0, 2), ([0.5, 0.500004], 1, 1), ([0.500004, 0.5], 0, 1)):
        # off by more than rounding errors that count, by less than those of float32
        rows = ScoreRows(np.array([[0.5, 0.500004]], np.float32), np.ones(1), lambda _, c, e=exact: np.array(e)[c])
        judged = place([rows], test).judged
        assert (judged.above_nr.item(), judged.tied_nr.item()) == (above, tied)


def test_a_model_that_knows_nothing_is_worth_chance_and_lists_by_hash():
    answers = {f"d{i}": f"here is all about topic{i}" for i in range(300)}
    test = Retrieval(
        answers, {f"q{i}": f"topic{i}" for i in range(300)}, {f"q{i}": {f"d{i}": 1} for i in range(300)}, ""
    )
    result = evaluate_retrieval(Constant(), test, metrics=["mrr@10", "recall@10"], samples=0)
    assert result["recall@10"].value == pytest.approx(10 / 300)
    assert result["mrr@10"].value == pytest.approx(sum(1 / i for i in range(1, 11)) / 300)
    assert sum(f"d{q[1:]}" == documents[0] for q, documents in rank(Constant(), test, 1).items()) <= 1
    # every document has the word: all are found, and none better than the others
    questions = {q: "something about it" for q in test.queries}
    lexical_test = Retrieval(answers, questions, test.qrels, "")
    assert evaluate_judged(lexical(lexical_test).judged)["recall@10"].value == pytest.approx(10 / 300)


def test_a_query_that_is_a_document_does_not_find_itself():
    corpus = {"1": "red car", "2": "Title red car", "3": "blue boat", "4": "red boat"}
    queries = {"1": "Red  car", "2": "red car", "3": "green lamp", "x": "blue boat"}
    test = Retrieval(corpus, queries, {"1": {"1": 1, "2": 1}, "2": {"1": 1}, "3": {"3": 1}, "x": {"3": 1}}, "memory")
    assert own_documents(test) == {"1", "2"}
    result = evaluate_retrieval(Counts6(), test, metrics=["recall@1"], samples=0)
    # 1 is not asked for itself any more; 3 and x are searched among all
    assert dict(zip(result["recall@1"].items, result["recall@1"].values.tolist(), strict=True))["1"] == 1
    assert dict(zip(result["recall@1"].items, result["recall@1"].values.tolist(), strict=True))["2"] == 1
    assert result.notes == (
        "queries that are documents of the corpus, each left out of its own results: 2",
        "queries with the id of a document of another text, which stays in their results: 1",
    )
    assert "1" not in rank(Counts6(), test, 4)["1"]
    assert len(rank(Counts6(), test, 4)["x"]) == 4


class Counts6(Counts):
    def encode(self, texts, *, kind=None):
        return super().encode([text.lower().replace("title ", "") for text in texts])


@settings(max_examples=100)
@given(data=st.data(), n=st.integers(1, 6), m=st.integers(1, 9), seed=st.integers(0, 999))
def test_filtered_ranking_equals_a_loop(data, n, m, seed):
    """Bordes et al. 2013: an answer stands among what is not known to be right as well; ties by expectation."""
    scores = np.random.default_rng(seed).integers(0, 4, (n, m)).astype(np.float32)
    answer = data.draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n))
    known = data.draw(st.lists(st.sets(st.integers(0, m - 1)), min_size=n, max_size=n))
    expected = {"mrr": [], "hit@1": [], "hit@3": [], "mean rank": []}
    for row, right, others in zip(scores.tolist(), answer, known, strict=True):
        left = [score for document, score in enumerate(row) if document != right and document not in others]
        above, level = sum(s > row[right] for s in left), sum(s == row[right] for s in left)
        ranks = [above + 1 + i for i in range(level + 1)]
        expected["mrr"].append(sum(1 / rank for rank in ranks) / len(ranks))
        expected["mean rank"].append(sum(ranks) / len(ranks))
        for k in (1, 3):
            expected[f"hit@{k}"].append(sum(rank <= k for rank in ranks) / len(ranks))
    answers = Answers(
        [str(i) for i in range(n)],
        m,
        {i: {right: 1.0} for i, right in enumerate(answer)},
        {i: sorted(others - {right}) for i, (right, others) in enumerate(zip(answer, known, strict=True))},
    )
    halves = [ScoreRows(part, np.ones(len(part))) for part in (scores[: n // 2].copy(), scores[n // 2 :].copy())]
    result = evaluate_judged(place(halves, answers).judged, metrics=list(expected), samples=0)
    for name, values in expected.items():
        np.testing.assert_allclose(result[name].values, values, atol=1e-12)


def test_refuses_judgements_of_a_query_that_is_not_there():
    test = Retrieval({"a": "red"}, {"q": "red"}, {"q": {"a": 1}, "r": {"a": 1}}, "memory")
    with pytest.raises(InputError, match="queries that are judged and not there: 1, such as 'r'"):
        place(score_rows(np.eye(1, dtype=np.float32), np.eye(1, dtype=np.float32)), test)


def test_a_relevant_document_that_is_not_in_the_corpus_is_not_found():
    test = Retrieval({"a": "red"}, {"q": "red"}, {"q": {"a": 1, "b": 1}}, "memory")
    judged = place(score_rows(np.eye(1, dtype=np.float32), np.eye(1, dtype=np.float32)), test).judged
    assert by_query(judged)["recall@3"] == {"q": 0.5}


def test_what_is_left_out_is_said():
    corpus = {"a": "red", "b": "blue"}
    test = Retrieval(corpus, {"q": "red", "r": "blue", "s": "car"}, {"q": {"a": 1}, "r": {"b": 0}}, "memory")
    measured, notes = prepared(test)
    assert list(measured.queries) == ["q"]
    assert notes == (
        "queries left out, as they are not judged: 1",
        "queries left out, as no document is relevant: 1",
    )
    with pytest.raises(InputError, match="no query has a relevant document"):
        prepared(Retrieval({"q": "red"}, {"q": "red"}, {"q": {"q": 1}}, "memory"))


@pytest.mark.parametrize("shapes", [[(1, 2)], [(2, 3)], [(2, 2), (1, 2)], []])
def test_refuses_scores_of_another_shape(shapes):
    test = Retrieval({"a": "red", "b": "blue"}, {"q": "red", "r": "blue"}, {"q": {"a": 1}}, "memory")
    with pytest.raises(InputError, match="scores"):
        place((ScoreRows(np.zeros(s, np.float32), np.ones(s[0])) for s in shapes), test)
    with pytest.raises(InputError, match="NaN"):
        place([ScoreRows(np.full((2, 2), np.nan, np.float32), np.ones(2))], test)
