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
    ],
)
def test_refuses(rankings, options, message):
    with pytest.raises(InputError, match=message):
        reciprocal_rank_fusion(rankings, **options)
