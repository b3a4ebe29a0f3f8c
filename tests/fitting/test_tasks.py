"""Figures of a task: the same whatever the order of the corpus and of the queries, for every system."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Retrieval
from counterpoint.fitting.tasks import RetrievalTask

WORDS = ("red", "green", "blue", "boat", "car", "lamp", "door", "tree")


class Counts:
    """Words counted, of some of the words: texts that differ in the others are the same to it."""

    def __init__(self, known):
        self.known = WORDS[:known]

    def encode(self, texts, *, kind=None):
        return np.array([[1 + text.split().count(w) for w in self.known] for text in texts], dtype=np.float32)


def made(seed):
    """More documents than fusion is deep, and many of them alike."""
    draw = np.random.default_rng(seed)
    corpus = {f"d{i}": " ".join(draw.choice(WORDS, draw.integers(1, 4))) for i in range(130)}
    queries = {f"q{i}": " ".join(draw.choice(WORDS, 2)) for i in range(6)}
    qrels = {q: {f"d{i}": 1.0 for i in draw.choice(130, draw.integers(1, 4), replace=False)} for q in queries}
    return corpus, queries, qrels


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
    first, second = (figures(RetrievalTask(test, test, Counts(known)), Counts(known)) for test in tests)
    assert first[0] == second[0]
    assert first[1] == pytest.approx(second[1])
    assert first[2] == second[2]


def test_fusion_of_two_that_know_nothing_is_worth_chance():
    corpus = {f"d{i}": f"all about topic{i}" for i in range(130)}
    test = Retrieval(corpus, {"q": "about"}, {"q": {"d7": 1.0}}, "")
    task = RetrievalTask(test, test, Counts(1))
    after, baselines = task.measure("trained", Counts(1)), task.baselines()
    (both,) = task.combined(baselines, after)
    assert both.figures["recall@10"].value == pytest.approx(10 / 130)


def test_fusion_takes_the_place_of_what_both_rank_high():
    corpus = {"a": "red boat", "b": "red", "c": "boat", "d": "green lamp"}
    test = Retrieval(corpus, {"q": "red boat"}, {"q": {"a": 1.0}}, "")
    task = RetrievalTask(test, test, Counts(8))
    (both,) = task.combined(task.baselines(), task.measure("trained", Counts(8)))
    assert both.figures["mrr@10"].value == 1
