"""Reciprocal rank fusion by hand and by a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.search import reciprocal_rank_fusion


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
