"""Figures of a task: the same whatever the order of the corpus and of the queries, for every system."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Retrieval
from counterpoint.data.rows import rows_of
from counterpoint.tasks import Collection, on_new, task_for

WORDS = ("red", "green", "blue", "boat", "car", "lamp", "door", "tree")


NOTHING = rows_of([])


class Counts:
    """Words counted, of some of the words: texts that differ in the others are the same to it."""

    def __init__(self, known):
        self.known = WORDS[:known]

    def encode_items(self, items, *, kind=None):
        return np.array([[1 + text.split().count(w) for w in self.known] for text in items.texts], dtype=np.float32)


def made(seed):
    """More documents than fusion is deep, and many of them alike."""
    draw = np.random.default_rng(seed)
    corpus = {f"d{i}": " ".join(draw.choice(WORDS, draw.integers(1, 4))) for i in range(130)}
    queries = {f"q{i}": " ".join(draw.choice(WORDS, 2)) for i in range(6)}
    qrels = {q: {f"d{i}": 1.0 for i in draw.choice(130, draw.integers(1, 4), replace=False)} for q in queries}
    return corpus, queries, qrels


def found(test):
    collection = Collection.of(test)
    return task_for(NOTHING, collection, collection, Counts(1))


def figures(task, encoder):
    after, baselines = task.measure("trained", encoder), task.baselines()
    systems = (after, *baselines, *task.combined(baselines, after))
    items = {
        (m.name, name): sorted(zip(f.items, f.values.round(9), strict=True))
        for m in systems
        for name, f in m.figures.items()
    }
    shown = [
        (q.text, q.rank_after, [h.text for h in q.results]) for part in task.queries(after, after) for q in part.queries
    ]
    return items, task.validate(encoder), shown


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), known=st.integers(1, 8))
def test_the_order_of_documents_and_queries_changes_no_figure_of_any_system(seed, known):
    corpus, queries, qrels = made(seed)
    draw = np.random.default_rng(seed + 1)
    keys = [list(corpus), list(queries)]
    other = [
        {names[i]: table[names[i]] for i in draw.permutation(len(names))}
        for names, table in zip(keys, (corpus, queries), strict=True)
    ]
    tests = [Retrieval(corpus, queries, qrels, ""), Retrieval(*other, {q: qrels[q] for q in other[1]}, "")]
    first, second = (figures(found(test), Counts(known)) for test in tests)
    assert first[0] == second[0]
    assert first[1] == pytest.approx(second[1])
    assert first[2] == second[2]


def test_fusion_of_two_that_know_nothing_is_worth_chance():
    corpus = {f"d{i}": f"all about topic{i}" for i in range(130)}
    test = Retrieval(corpus, {"q": "about"}, {"q": {"d7": 1.0}}, "")
    task = found(test)
    after, baselines = task.measure("trained", Counts(1)), task.baselines()
    (both,) = task.combined(baselines, after)
    assert both.figures["recall@10"].value == pytest.approx(10 / 130)


def test_fusion_takes_the_place_of_what_both_rank_high():
    corpus = {"a": "red boat", "b": "red", "c": "boat", "d": "green lamp"}
    test = Retrieval(corpus, {"q": "red boat"}, {"q": {"a": 1.0}}, "")
    task = found(test)
    (both,) = task.combined(task.baselines(), task.measure("trained", Counts(8)))
    assert both.figures["mrr@10"].value == 1


class Lamps:
    """Every query is a lamp, and every document is one or is not."""

    def encode_items(self, items, *, kind=None):
        lamps = [kind == "query" or "lamp" in text for text in items.texts]
        return np.array([[1, 0] if lamp else [0, 1] for lamp in lamps], dtype=np.float32)


def test_fusion_tells_no_two_apart_that_are_each_among_the_hundred_best_of_one():
    corpus = {f"{what}{i}": f"{what} of{i}" for what in ("boat", "lamp") for i in range(100)} | {"tree": "tree one"}
    test = Retrieval(corpus, {"q": "boat", "r": "boat"}, {"q": {"boat7": 1.0}, "r": {"lamp7": 1.0}}, "")
    task = found(test)
    (both,) = task.combined(task.baselines(), task.measure("trained", Lamps()))
    assert both.figures["recall@10"].values.tolist() == pytest.approx([10 / 200, 10 / 200])


def test_fusion_is_the_same_in_blocks_of_any_size(monkeypatch):
    test = Retrieval(*made(3), "")
    task = found(test)
    systems = task.baselines(), task.measure("trained", Counts(4))
    (whole,) = task.combined(*systems)
    monkeypatch.setattr("counterpoint.tasks.find.SCORES", 1)
    (rows,) = task.combined(*systems)
    assert whole.figures["ndcg@10"].values.tolist() == rows.figures["ndcg@10"].values.tolist()
    assert len(set(whole.figures["ndcg@10"].values.tolist())) > 1


def test_dev_is_among_fewer_documents_and_all_that_are_relevant():
    corpus = {f"d{i}": f"text {i}" for i in range(6010)}
    relevant = {f"q{i}": {f"d{i}": 1.0} for i in range(10)}
    dev = Retrieval(corpus, dict.fromkeys(relevant, "red"), relevant, "")
    task = found(dev)
    assert {d for gains in relevant.values() for d in gains} <= set(task.dev.corpus.names)
    assert len(task.dev.corpus) == 10 + 2000
    assert len(task.test.corpus) == 6010


def test_figures_over_queries_none_of_whose_documents_was_trained_on():
    corpus = {"a": "red boat", "b": "green lamp", "c": "blue car"}
    test = Retrieval(corpus, {"q": "red", "r": "red"}, {"q": {"a": 1.0}, "r": {"b": 1.0}}, "")
    task = found(test)
    measured = task.baselines()[:1]
    assert measured[0].figures["recall@1"].values.tolist() == [1, 0]
    said = "over the 1 test queries none of whose documents was trained on, recall@1 is: BM25 "
    assert on_new(measured, "recall@1", frozenset("r")) == (said + "1.000",)
    assert on_new(measured, "recall@1", frozenset("q")) == (said + "0.000",)
    assert on_new(measured, "recall@1", frozenset("qr")) == on_new(measured, "recall@1", frozenset()) == ()
