"""Fusion by ranks and by scores, by hand and by a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.search import Index, reciprocal_rank_fusion, score_fusion


def test_by_hand():
    a, b = np.array([[4, 2, 9], [0, 1, -1]]), np.array([[2, 7], [5, -1]])
    ids, scores = reciprocal_rank_fusion([a, b], k=60, depth=4)
    assert ids.tolist() == [[2, 4, 7, 9], [0, 5, 1, -1]]
    np.testing.assert_allclose(scores[0], [1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63])
    np.testing.assert_allclose(scores[1], [1 / 61, 1 / 61, 1 / 62, -np.inf])


def test_ties_share_the_mean_of_their_ranks():
    a, b = np.array([[4, 2, 9, -1]]), np.array([[2, 7, 9, -1]])
    scores = [np.array([[5.0, 5.0, 1.0, 0.0]]), np.array([[3.0, 2.0, 2.0, 0.0]])]
    ids, fused = reciprocal_rank_fusion([a, b], scores=scores)
    assert ids.tolist() == [[2, 9, 4, 7]]
    np.testing.assert_allclose(fused[0], [1 / 61.5 + 1 / 61, 1 / 63 + 1 / 62.5, 1 / 61.5, 1 / 62.5])


def test_a_group_that_may_go_on_beyond_the_list_is_left_out():
    ids, fused = reciprocal_rank_fusion([np.array([[4, 2, 9]])], scores=[np.array([[5.0, 1.0, 1.0]])])
    assert ids.tolist() == [[4, -1, -1]]
    assert fused[0, 0] == 1 / 61
    # float32 scores of equal texts differ in the last place
    scores = np.array([[0.7, 0.7 - 6e-8]], dtype=np.float32)
    assert reciprocal_rank_fusion([np.array([[4, 2]])], scores=[scores])[0].tolist() == [[-1, -1]]


@settings(max_examples=100)
@given(row=st.lists(st.integers(0, 3), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_the_order_of_ties_changes_nothing(row, seed):
    def fuse(order):
        ranked = sorted(order, key=lambda i: -row[i])
        ids = np.array([[*ranked, -1]])
        found, fused = reciprocal_rank_fusion([ids], scores=[np.array([[*(float(row[i]) for i in ranked), -np.inf]])])
        return {i: s for i, s in zip(found[0].tolist(), fused[0].tolist(), strict=True) if i >= 0}

    there = fuse(range(len(row)))
    assert len(there) == len(row)
    assert fuse(np.random.default_rng(seed).permutation(len(row)).tolist()) == there


def test_weights():
    a, b = np.array([[0, 1]]), np.array([[1, 0]])
    assert reciprocal_rank_fusion([a, b])[0].tolist() == [[0, 1]]  # a tie: the lower id
    assert reciprocal_rank_fusion([a, b], weights=[1, 2])[0].tolist() == [[1, 0]]


@settings(max_examples=100, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 12), unique=True, max_size=8), min_size=1, max_size=4),
    k=st.floats(0, 100),
    data=st.data(),
)
def test_equals_a_dictionary(lists, k, data):
    weights = data.draw(st.lists(st.floats(0.1, 5), min_size=len(lists), max_size=len(lists)))
    rankings = [np.array([[*row, -1]]) for row in lists]
    total: dict[int, float] = {}
    for weight, row in zip(weights, lists, strict=True):
        for rank, document in enumerate(row, start=1):
            total[document] = total.get(document, 0.0) + weight / (k + rank)
    ids, scores = reciprocal_rank_fusion(rankings, k=k, weights=weights, depth=20)
    found = ids[0][ids[0] >= 0]
    assert sorted(found) == sorted(total)
    np.testing.assert_allclose(scores[0][: len(found)], [total[i] for i in found])
    assert (np.diff(scores[0][: len(found)]) <= 1e-12).all()
    assert (ids[0][len(found) :] == -1).all()


@pytest.mark.parametrize(
    ("rankings", "options", "message"),
    [
        ([], {}, "rankings are of"),
        ([np.zeros((1, 1)), np.zeros((2, 1))], {}, r"rankings are of \[1, 2\] queries"),
        ([np.zeros((1, 1))], {"weights": [1.0, 1.0]}, "weights"),
        ([np.zeros((1, 1))], {"weights": [0.0]}, "weights"),
        ([np.zeros((1, 1))], {"weights": [np.nan]}, "weights"),
        ([np.zeros((1, 1))], {"k": -1}, "k = -1"),
        ([np.array([[3, 3]])], {}, "twice"),
        ([np.array([[3, 4]])], {"scores": [np.zeros((1, 3))]}, "with scores of"),
    ],
)
def test_refuses(rankings, options, message):
    with pytest.raises(InputError, match=message):
        reciprocal_rank_fusion(rankings, **options)


@st.composite
def scored(draw):
    """Rankings of three systems for two queries, each with scores, as dictionaries."""
    numbers = st.dictionaries(st.integers(0, 9), st.integers(-8, 8).map(lambda x: x / 4), max_size=6)
    return [[draw(numbers) for _ in range(2)] for _ in range(3)]


@settings(max_examples=200, deadline=None)
@given(systems=scored(), weights=st.lists(st.sampled_from([0.25, 1.0, 3.0]), min_size=3, max_size=3))
def test_scores_are_those_of_a_dictionary(systems, weights):
    rankings, scores = [], []
    for found in systems:
        ids, values = np.full((2, 6), -1), np.full((2, 6), -np.inf)
        for row, one in enumerate(found):
            order = sorted(one, key=lambda d: -one[d])
            ids[row, : len(one)], values[row, : len(one)] = order, [one[d] for d in order]
        rankings.append(ids)
        scores.append(values)
    best, fused = score_fusion(rankings, scores, weights=weights, depth=30)
    for row in range(2):
        known: dict[int, float] = {}
        for weight, found in zip(weights, systems, strict=True):
            low, high = min(found[row].values(), default=0), max(found[row].values(), default=0)
            for document, score in found[row].items():
                share = 1.0 if high == low else (score - low) / (high - low)
                known[document] = known.get(document, 0) + weight * share
        there = best[row] >= 0
        assert set(best[row, there].tolist()) == known.keys()
        assert best[row, there].tolist() == sorted(known, key=lambda d: (-round(known[d], 9), d))
        np.testing.assert_allclose(fused[row, there], [known[d] for d in best[row, there].tolist()], atol=1e-12)
        assert np.isneginf(fused[row, ~there]).all()


def test_sums_that_rounding_alone_parts_are_equal():
    """A quarter of 8/9 + 6/9 and of 5/9 + 9/9: the lower id is first."""
    ranked = [np.array([[3, 4, 0, 1, 8, 2]]), np.array([[8, 4, 0, -1, -1, -1]])]
    values = [np.array([[0.5, 0.25, 0.0, 0.0, -0.5, -1.75]]), np.array([[1.25, 0.5, -1.0, 0, 0, 0]])]
    ids, sums = score_fusion(ranked, values, weights=[0.25, 0.25])
    assert ids[0, :2].tolist() == [4, 8]
    assert 0 < abs(sums[0, 0] - sums[0, 1]) < 1e-12


def test_how_far_the_first_is_ahead_counts_and_the_scale_does_not():
    dense, lexical = np.array([[0, 1, 2]]), np.array([[1, 0, 2]])
    ahead, close = np.array([[0.9, 0.3, 0.2]]), np.array([[9.1, 9.0, 1.0]])
    ids, _ = score_fusion([dense, lexical], [ahead, close])
    assert ids.tolist() == [[0, 1, 2]]
    again, _ = score_fusion([dense, lexical], [100 * ahead - 7, close])
    assert again.tolist() == ids.tolist()
    assert score_fusion([dense, lexical], [np.array([[0.9, 0.89, 0.2]]), np.array([[9.1, 3.0, 1.0]])])[0][0, 0] == 1


@pytest.mark.parametrize(
    ("rankings", "scores", "options", "message"),
    [
        ([[[0, 1]]], [[[1.0, np.nan]]], {}, "a document's score is no number"),
        ([[[0, 1]]], [[[1.0, -np.inf]]], {}, "a document's score is no number"),
        ([[[0, 1]]], [[[1.0]]], {}, "with scores of"),
        ([[[0, 1]]], [[[1.0, 1.0]]], {"weights": [1, 2]}, "cannot be fused with weights"),
        ([[[0, 0]]], [[[1.0, 1.0]]], {}, "names a document twice"),
        ([], [], {}, "give at least one"),
    ],
)
def test_scores_that_cannot_be_fused_are_refused(rankings, scores, options, message):
    with pytest.raises(InputError, match=message):
        score_fusion([np.array(r) for r in rankings], [np.array(s) for s in scores], **options)


def test_an_index_fuses_by_either(tmp_path):
    z = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]], dtype=np.float32)
    texts = ["red fox", "blue fox", "a fox that is red and very large and old", "green ant"]
    with Index.build(tmp_path / "i", list("abcd"), texts, z) as index:
        hits = index.hybrid(["red fox"], z[2:3], 4, by="scores")[0]
        dense = {hit.id: hit.score for hit in index.search(z[2:3], 4)[0]}
        rows, words = index._words(index._store.read(lambda view: view)).bm25.search(["red fox"], 4)
        lexical = {"abcd"[row]: s for row, s in zip(rows[0].tolist(), words[0].tolist(), strict=True) if row >= 0}
        known: dict[str, float] = dict.fromkeys("abcd", 0.0)
        for found in (dense, lexical):
            for name, score in found.items():
                known[name] += (score - min(found.values())) / (max(found.values()) - min(found.values()))
        assert {hit.id: pytest.approx(hit.score, abs=1e-6) for hit in hits} == known
        assert [hit.id for hit in hits] == sorted(known, key=lambda name: -known[name])
        heavy = index.hybrid(["red fox"], z[2:3], 1, by="scores", weights=(9.0, 1.0))[0]
        assert heavy[0].id == "c"
        assert index.hybrid(["red fox"], z[2:3], 4)[0][0].score < 0.04
        with pytest.raises(InputError, match="no fusion by 'score'; choose ranks or scores"):
            index.hybrid(["red fox"], z[:1], by="score")
