"""Figures of a run before and after."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.data import Retrieval
from counterpoint.errors import InputError
from counterpoint.evaluate import candidates, compare, evaluate_rankings, evaluate_reranking, rerank_run

CORPUS = {f"d{i}": f"{'red ' * (i % 4)}fox {i}" for i in range(12)}
QUERIES = {f"q{i}": f"fox {i}" for i in range(6)}
QRELS = {f"q{i}": {f"d{i}": 1.0, f"d{i + 6}": 2.0} for i in range(6)}
TEST = Retrieval(CORPUS, QUERIES, QRELS, "memory")


def score(queries, documents):
    """Which number is asked for, and for ties nothing."""
    return np.array(
        [float(int(d.split()[-1]) % 6 == int(q.split()[-1])) for q, d in zip(queries, documents, strict=True)]
    )


def test_figures_are_those_of_both_runs_and_differences_are_paired():
    run = candidates(TEST)
    assert all(len(ranked) == len(CORPUS) for ranked in run.values())
    found = evaluate_reranking(score, TEST, run, metrics=["ndcg@10", "recall@1"])
    after = rerank_run(score, TEST, run)
    for shown, one in ((found.before, run), (found.after, after)):
        naive = evaluate_rankings(one, QRELS, metrics=["ndcg@10", "recall@1"])
        assert all(np.array_equal(shown[name].values, naive[name].values) for name in naive)
    assert str(found.differences["ndcg@10"]) == str(compare(found.before["ndcg@10"], found.after["ndcg@10"]))
    for query, ranked in after.items():
        wanted = [d for d in run[query] if d in QRELS[query]]
        # equal scores stay in the order that they were found in
        assert ranked == [*wanted, *(d for d in run[query] if d not in wanted)]
    assert found.to_json()["differences"][0]["name"] == "ndcg@10"


def test_candidates_of_an_encoder():
    class Numbers:
        def encode(self, texts, *, kind=None):
            angle = np.array([int(text.split()[-1]) for text in texts]) / 12
            return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)

    found = candidates(TEST, 2, encoder=Numbers())
    assert all(ranked[0] == f"d{query[1:]}" and len(ranked) == 2 for query, ranked in found.items())


def test_a_query_that_is_a_document_is_not_put_before_itself():
    test = Retrieval({"q0": "fox 0", "d0": "a fox 0"}, {"q0": "fox 0", "q1": "a fox"}, {"q0": {"d0": 1.0}}, "memory")
    run = candidates(test)
    assert run == {"q0": ["d0"]}
    found = evaluate_reranking(lambda queries, documents: [1.0] * len(queries), test, run)
    assert found.after["recall@1"].value == 1.0
    assert found.differences == {}
    assert any("not judged: 1" in note for note in found.after.notes)


def test_own_prompts_stand_before_queries():
    test = Retrieval(CORPUS, {"q": "fox"}, {"q": {"d1": 1.0}}, "memory", prompts={"q": "find: "})
    seen = []
    rerank_run(lambda queries, documents: seen.extend(queries) or [0.0], test, {"q": ["d1"]})
    assert seen == ["find: fox"]


def test_refusals():
    with pytest.raises(InputError, match="0 candidates"):
        candidates(TEST, 0)
    with pytest.raises(InputError, match="'nowhere', which is not in the test"):
        rerank_run(score, TEST, {"q0": ["nowhere"]})
    with pytest.raises(InputError, match="unknown metric"):
        evaluate_reranking(score, TEST, {}, metrics=["ndcg"])
