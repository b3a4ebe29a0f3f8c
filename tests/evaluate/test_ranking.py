"""Ranking metrics by hand, by naive loops over all orders of ties, and against scikit-learn and trec_eval."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluate import (
    average_precision,
    evaluate_rankings,
    hit_rate,
    judge,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

DOCUMENTS = [f"d{i}" for i in range(12)]
QRELS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 3), max_size=12),
    min_size=1,
).filter(lambda qrels: any(gain > 0 for gains in qrels.values() for gain in gains.values()))
RANKINGS = st.fixed_dictionaries(
    {q: st.lists(st.sampled_from(DOCUMENTS), unique=True, max_size=12) for q in ("q1", "q2", "q3")}
)


def test_by_hand():
    # gains at ranks 1 to 4: 0, 2, 0, 1; three relevant documents, of gains 3, 2, 1
    judged = judge({"q": ["x", "b", "y", "c"]}, {"q": {"a": 3, "b": 2, "c": 1, "y": 0}})
    assert reciprocal_rank(judged, 10).tolist() == [1 / 2]
    assert reciprocal_rank(judged, 1).tolist() == [0]
    assert reciprocal_rank(judged).tolist() == [1 / 2]
    assert evaluate_rankings({"q": ["x", "b"]}, {"q": {"b": 1}}, metrics=["mean rank"])["mean rank"].value == 2
    assert recall(judged, 4).tolist() == [2 / 3]
    assert recall(judged, 3).tolist() == [1 / 3]
    assert precision(judged, 4).tolist() == [2 / 4]
    assert precision(judged, 10).tolist() == [2 / 10]
    assert hit_rate(judged, 1).tolist() == [0]
    assert hit_rate(judged, 2).tolist() == [1]
    assert average_precision(judged, 10).tolist() == [(1 / 2 + 2 / 4) / 3]
    dcg = 2 / math.log2(3) + 1 / math.log2(5)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(judged, 10)[0] == pytest.approx(dcg / ideal)
    assert ndcg(judged, 2)[0] == pytest.approx(2 / math.log2(3) / (3 + 2 / math.log2(3)))


def naive(ranking, gains, k):
    """The definitions, one document at a time."""
    good = {d: g for d, g in gains.items() if g > 0}
    found = {"mrr": 0.0, "hit": 0.0, "precision": 0.0, "recall": 0.0, "map": 0.0, "ndcg": 0.0}
    seen = 0
    for rank, document in enumerate(ranking[:k], start=1):
        if document not in good:
            continue
        seen += 1
        found["mrr"] = found["mrr"] or 1 / rank
        found["hit"] = 1.0
        found["precision"] += 1 / k
        found["recall"] += 1 / len(good)
        found["map"] += seen / rank / len(good)
        found["ndcg"] += good[document] / math.log2(rank + 1)
    best = sorted(good.values(), reverse=True)[:k]
    found["ndcg"] /= sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, start=1))
    return found


@settings(max_examples=200, deadline=None)
@given(qrels=QRELS, rankings=RANKINGS, k=st.integers(1, 14))
def test_equals_naive_loops(qrels, rankings, k):
    names = [f"{name}@{k}" for name in ("mrr", "hit", "precision", "recall", "map", "ndcg")]
    result = evaluate_rankings(rankings, qrels, metrics=names, samples=0)
    queries = [q for q, gains in qrels.items() if any(g > 0 for g in gains.values())]
    assert result[names[0]].items == tuple(queries)
    for name in names:
        expected = [naive(rankings[q], qrels[q], k)[name.partition("@")[0]] for q in queries]
        np.testing.assert_allclose(result[name].values, expected, atol=1e-12)
        assert result[name].value == pytest.approx(np.mean(expected))


def orders(run):
    """Every ranking that the scores of a run allow."""
    groups = [[d for d in run if run[d] == score] for score in sorted(set(run.values()), reverse=True)]
    for parts in itertools.product(*map(itertools.permutations, groups)):
        yield [document for part in parts for document in part]


@settings(max_examples=150, deadline=None)
@given(
    run=st.dictionaries(st.sampled_from(DOCUMENTS[:6]), st.integers(0, 2).map(float), max_size=6),
    gains=st.dictionaries(st.sampled_from(DOCUMENTS[:7]), st.integers(-1, 3), min_size=1, max_size=7).filter(
        lambda gains: any(gain > 0 for gain in gains.values())
    ),
    k=st.integers(1, 8),
)
def test_ties_have_the_mean_over_all_their_orders(run, gains, k):
    names = [f"{name}@{k}" for name in ("mrr", "hit", "precision", "recall", "map", "ndcg")]
    result = evaluate_rankings({"q": run}, {"q": gains}, metrics=names, samples=0)
    every = [naive(order, gains, k) for order in orders(run)]
    for name in names:
        expected = np.mean([found[name.partition("@")[0]] for found in every])
        assert result[name].value == pytest.approx(expected, abs=1e-12)
    first = [next((i for i, d in enumerate(order, 1) if gains.get(d, 0) > 0), math.inf) for order in orders(run)]
    judged = judge({"q": run}, {"q": gains})
    assert judged.first_n[0] == pytest.approx(np.mean(first))
    assert reciprocal_rank(judged)[0] == pytest.approx(np.mean([1 / rank for rank in first]))


def test_a_run_without_ties_is_its_list():
    rng = np.random.default_rng(0)
    run = {d: float(s) for d, s in zip(DOCUMENTS, rng.permutation(12), strict=True)}
    qrels = {"q": {"d1": 2, "d7": 1, "d9": 3}}
    listed = evaluate_rankings({"q": sorted(run, key=run.get, reverse=True)}, qrels)
    scored = evaluate_rankings({"q": run}, qrels)
    assert {n: f.value for n, f in scored.items()} == {n: f.value for n, f in listed.items()}


def test_scores_that_say_nothing_are_worth_chance():
    run, n = {f"d{i}": 0.5 for i in range(300)}, 300
    result = evaluate_rankings({"q": run}, {"q": {"d0": 1}}, metrics=["mrr@10", "recall@10", "hit@10", "mrr@1000"])
    assert result["mrr@10"].value == pytest.approx(sum(1 / i for i in range(1, 11)) / n)
    assert result["mrr@1000"].value == pytest.approx(sum(1 / i for i in range(1, 301)) / n)
    assert result["recall@10"].value == pytest.approx(10 / n)
    assert result["hit@10"].value == pytest.approx(10 / n)


def test_reciprocal_ranks_in_blocks_are_those_of_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    runs = {f"q{i}": {d: float(rng.integers(3)) for d in DOCUMENTS} for i in range(20)}
    judged = judge(runs, {q: {"d1": 1, "d2": 1} for q in runs})
    whole = reciprocal_rank(judged), reciprocal_rank(judged, 3)
    monkeypatch.setattr("counterpoint.evaluate.ranking._CELLS", 40)
    assert reciprocal_rank(judged).tolist() == whole[0].tolist() == reciprocal_rank(judged, 12).tolist()
    assert reciprocal_rank(judged, 3).tolist() == whole[1].tolist() != whole[0].tolist()


def test_a_perfect_ranking_has_exactly_one():
    gains = {d: float(1 + i % 4) for i, d in enumerate(DOCUMENTS)}
    perfect = sorted(DOCUMENTS, key=lambda d: -gains[d])
    for k in (1, 3, 10, 100):
        assert ndcg(judge({"q": perfect}, {"q": gains}), k).tolist() == [1]


@settings(max_examples=100, deadline=None)
@given(qrels=QRELS, rankings=RANKINGS, k=st.integers(1, 12))
def test_equals_trec_eval(qrels, rankings, k):
    trec = pytest.importorskip("pytrec_eval")
    wanted = {f"{name}.{k}" for name in ("ndcg_cut", "map_cut", "recall", "P", "success")}
    # trec_eval sorts by score; distinct scores keep our order
    runs = {q: {d: float(-i) for i, d in enumerate(ranked)} for q, ranked in rankings.items() if ranked}
    theirs = trec.RelevanceEvaluator(qrels, wanted).evaluate(runs)
    judged = judge(rankings, qrels)
    ours = {
        "ndcg_cut": ndcg(judged, k),
        "map_cut": average_precision(judged, k),
        "recall": recall(judged, k),
        "P": precision(judged, k),
        "success": hit_rate(judged, k),
    }
    for row, query in enumerate(judged.queries):
        for name, values in ours.items():
            # a query without results is absent from theirs (and 0 under trec_eval -c)
            expected = theirs[query][f"{name}_{k}"] if query in theirs else 0.0
            assert values[row] == pytest.approx(expected, abs=1e-9)


def test_ndcg_equals_scikit_learn():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(0)
    gains, scores = rng.integers(0, 4, (20, 30)), rng.random((20, 30))
    gains[:, 0] = 1
    names = [f"d{i}" for i in range(30)]
    rankings = {str(q): [names[i] for i in np.argsort(-scores[q])] for q in range(20)}
    qrels = {str(q): dict(zip(names, gains[q].tolist(), strict=True)) for q in range(20)}
    for k in (1, 5, 30):
        assert ndcg(judge(rankings, qrels), k).mean() == pytest.approx(ndcg_score(gains, scores, k=k))


def test_queries_left_out_and_missing_are_counted():
    qrels = {"a": {"x": 1.0}, "b": {"x": 0.0}, "c": {}, "d": {"y": 2.0}}
    result = evaluate_rankings({"a": ["x"], "b": ["x"], "extra": ["x"]}, qrels, metrics=["recall@1"])
    assert result["recall@1"].items == ("a", "d")
    assert result["recall@1"].values.tolist() == [1.0, 0.0]
    assert result.notes == (
        "queries left out, as no document is relevant: 2",
        "queries without a ranking, which count as 0: 1",
    )


@pytest.mark.parametrize(
    ("rankings", "qrels", "metrics", "message"),
    [
        ({"q": ["a", "a"]}, {"q": {"a": 1}}, ["mrr@1"], "the ranking of query 'q' names a document twice"),
        ({"q": {"a": math.nan}}, {"q": {"a": 1}}, ["mrr@1"], "the ranking of query 'q' has a score that is no number"),
        ({"q": ["a"]}, {"q": {"a": 0}}, ["mrr@1"], "no query has a relevant document"),
        ({"q": ["a"]}, {"q": {"a": 1}}, ["ndcg"], "unknown metric 'ndcg'"),
        ({"q": ["b"]}, {"q": {"a": 1}}, ["mean rank"], "mean rank has items that are NaN or infinite"),
        ({"q": ["a"]}, {"q": {"a": 1}}, ["mrr@0"], "unknown metric 'mrr@0'"),
        ({"q": ["a"]}, {"q": {"a": 1}}, ["bleu@1"], "unknown metric 'bleu@1'"),
    ],
)
def test_refuses(rankings, qrels, metrics, message):
    with pytest.raises(InputError, match=message):
        evaluate_rankings(rankings, qrels, metrics=metrics)
