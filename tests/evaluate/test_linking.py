"""Clusters by links, and F1 of their pairs, against loops."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluate import linked_clusters, linked_f1, pair_f1


def naive_f1(clusters, labels) -> float:
    pairs = list(combinations(range(len(clusters)), 2))
    found = {p for p in pairs if clusters[p[0]] == clusters[p[1]]}
    right = {p for p in pairs if labels[p[0]] == labels[p[1]]}
    return 2 * len(found & right) / (len(found) + len(right)) if found or right else 0.0


def naive_clusters(z, threshold, near) -> list[set[int]]:
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    groups = [{i} for i in range(len(z))]
    for i in range(len(z)):
        for j in np.argsort(-cosine[i])[:near]:
            if cosine[i, j] > threshold:
                one, other = (next(g for g in groups if k in g) for k in (i, int(j)))
                if one is not other:
                    groups.remove(other)
                    one |= other
    return groups


@given(seed=st.integers(0, 200), near=st.integers(1, 4), threshold=st.sampled_from([-0.5, 0.3, 0.7, 0.9]))
def test_clusters_are_what_is_linked_by_a_loop(seed, near, threshold):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(14, 3)).astype(np.float32), rng.integers(4, size=14)
    found = linked_clusters(z, threshold, near=near)
    groups = naive_clusters(z, threshold, near)
    assert {frozenset(np.flatnonzero(found == c).tolist()) for c in set(found)} == set(map(frozenset, groups))
    (score,) = linked_f1(z, labels, np.array([threshold]), near)
    assert score == pytest.approx(naive_f1(found, labels))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_f1_is_that_of_a_loop_over_pairs(rows):
    clusters, labels = np.array(rows).T
    assert pair_f1(clusters, labels) == pytest.approx(naive_f1(clusters, labels))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="2 clusters and 3 labels"):
        pair_f1(np.arange(2), np.arange(3))
    with pytest.raises(InputError, match="0 neighbours"):
        linked_clusters(np.eye(3, dtype=np.float32), 0.5, near=0)
