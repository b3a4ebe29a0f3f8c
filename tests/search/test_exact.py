"""Exact search against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.search import exact_search
from counterpoint.search.exact import METRICS, score_rows, top_k


def sorted_search(queries, keys, k, metric):
    """Every score in float64, a full stable sort."""
    q, m = queries.astype(np.float64), keys.astype(np.float64)
    if metric == "cosine":
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-12)
        m = m / np.maximum(np.linalg.norm(m, axis=1, keepdims=True), 1e-12)
    apart = q[:, None] - m[None]
    distances = {"euclidean": np.sqrt((apart**2).sum(-1)), "manhattan": np.abs(apart).sum(-1)}
    if metric == "modulus":
        distances[metric] = np.hypot(*np.split(apart, 2, axis=-1)).sum(-1)
    scores = -distances[metric] if metric in distances else q @ m.T
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(scores, ids, axis=1)


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 6),
    m=st.integers(1, 40),
    d=st.integers(1, 4),
    k=st.integers(1, 50),
    block=st.integers(1, 45),
    metric=st.sampled_from(["dot", "euclidean", "manhattan"]),
    seed=st.integers(0, 10_000),
)
def test_equals_a_full_sort_with_many_ties(n, m, d, k, block, metric, seed):
    # small whole numbers: scores are exact in float32, and most of them are tied
    rng = np.random.default_rng(seed)
    queries, keys = rng.integers(-1, 2, (n, d)), rng.integers(-1, 2, (m, d))
    ids, scores = exact_search(queries.astype(np.float32), keys.astype(np.float32), k, metric=metric, block=block)
    expected_ids, expected = sorted_search(queries, keys, min(k, m), metric)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32


@pytest.mark.parametrize("metric", METRICS)
def test_equals_a_full_sort_on_real_numbers(metric):
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(1100, 16)), rng.normal(size=(700, 16))  # more than one block of queries
    ids, scores = exact_search(queries.astype(np.float32), keys.astype(np.float32), 20, metric=metric, block=64)
    expected_ids, expected = sorted_search(queries, keys, 20, metric)
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=2e-6)
    assert (ids == expected_ids).mean() > 0.999  # float32 may swap two that are equal in it


@pytest.mark.parametrize("metric", METRICS)
def test_rows_of_scores_are_those_of_a_full_sort_and_again_to_the_last_digit(metric, monkeypatch):
    monkeypatch.setattr("counterpoint.search.exact.SCORES", 200)  # blocks of two queries
    rng = np.random.default_rng(0)
    queries, keys = (rng.normal(size=(n, 16)).astype(np.float32) for n in (5, 80))
    ids, expected = sorted_search(queries, keys, 80, metric)
    blocks = list(score_rows(queries, keys, metric=metric))
    assert [len(rows.scores_bm) for rows in blocks] == [2, 2, 1]
    for start, rows in zip((0, 2, 4), blocks, strict=True):
        for i in range(len(rows.scores_bm)):
            np.testing.assert_allclose(rows.scores_bm[i, ids[start + i]], expected[start + i], rtol=1e-5, atol=2e-6)
            assert (np.abs(rows.scores_bm[i]) <= rows.scale_b[i] * (1 + 1e-6)).all()
            for columns in (np.array([3, 70]), np.arange(80)):
                exact = rows.exactly(i, columns)
                place = np.argsort(ids[start + i])[columns]
                # of the cosine, float32 vectors that were scaled to length one
                np.testing.assert_allclose(
                    exact, expected[start + i][place], atol=1e-6 if metric == "cosine" else 1e-12
                )


def test_block_size_changes_nothing_on_a_memory_map(tmp_path):
    rng = np.random.default_rng(1)
    keys = np.lib.format.open_memmap(tmp_path / "keys.npy", mode="w+", dtype=np.float32, shape=(300, 8))
    keys[:] = rng.integers(-3, 4, (300, 8))
    mapped = np.load(tmp_path / "keys.npy", mmap_mode="r")
    queries = rng.integers(-3, 4, (5, 8)).astype(np.float32)
    whole = exact_search(queries, mapped, 7, metric="dot", block=300)
    for block in (1, 7, 299):
        np.testing.assert_array_equal(exact_search(queries, mapped, 7, metric="dot", block=block)[0], whole[0])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("query", [0.0, 1.0])
def test_finds_a_bad_value_wherever_it_is(metric, bad, query):
    keys = np.random.default_rng(0).normal(size=(70, 24)).astype(np.float32)
    for row, column in ((0, 0), (33, 23), (69, 8)):
        wrong = keys.copy()
        wrong[row, column] = bad
        for n in (1, 3):
            with pytest.raises(InputError, match=f"between rows {row // 32 * 32} and {min(70, row // 32 * 32 + 32)}"):
                exact_search(np.full((n, 24), query, dtype=np.float32), wrong, 2, metric=metric, block=32)


def test_the_cosine_of_very_long_and_very_short_vectors():
    keys = np.array([[3e30, 3e30], [1.0, 0.0], [3e-9, 3e-9], [1e18, -1e18], [0.0, 0.0]], dtype=np.float32)
    ids, scores = exact_search(np.array([[2.0, 0.0]], dtype=np.float32), keys[1:], 4)
    assert ids.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(scores, [[1, 0.5**0.5, 0.5**0.5, 0]], rtol=1e-6)
    # a length that float32 cannot hold is no bad value
    assert exact_search(np.array([[2.0, 0.0]], dtype=np.float32), keys, 5)[0].tolist()[0][0] == 1


def test_what_is_given_stays_as_it_is():
    rng = np.random.default_rng(0)
    queries, keys = (rng.normal(size=(n, 8)).astype(np.float32) for n in (3, 50))
    before = queries.copy(), keys.copy()
    for metric in METRICS:
        for n in (1, 3):
            mirrored = exact_search(queries[:n, ::-1], keys[:, ::-1], 5, metric=metric)[0]
            np.testing.assert_array_equal(mirrored, exact_search(queries[:n], keys, 5, metric=metric)[0])
    np.testing.assert_array_equal(queries, before[0])
    np.testing.assert_array_equal(keys, before[1])


def test_takes_tensors_and_half_precision():
    z = torch.eye(3, dtype=torch.float16)
    ids, scores = exact_search(z, z, 1)
    assert ids[:, 0].tolist() == [0, 1, 2]
    assert scores[:, 0].tolist() == [1.0, 1.0, 1.0]


def test_no_queries_and_zero_vectors():
    keys = np.zeros((2, 3), dtype=np.float32)
    assert exact_search(np.empty((0, 3), dtype=np.float32), keys, 1)[0].shape == (0, 1)
    ids, scores = exact_search(np.ones((1, 3), dtype=np.float32), keys, 2)
    assert ids.tolist() == [[0, 1]]
    assert scores.tolist() == [[0.0, 0.0]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 30))
def test_top_k_takes_the_first_of_equals(row, k):
    ids, scores = top_k(torch.tensor([row], dtype=torch.float32), k)
    expected = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
    assert ids[0].tolist() == expected
    assert scores[0].tolist() == [row[i] for i in expected]


@pytest.mark.parametrize(
    ("queries", "keys", "options", "message"),
    [
        (np.ones((1, 2)), np.ones((1, 3)), {}, "cannot be compared"),
        (np.ones(2), np.ones((1, 2)), {}, "cannot be compared"),
        (np.ones((1, 2)), np.ones((0, 2)), {}, "no keys"),
        (np.ones((1, 2)), np.ones((1, 2)), {"k": 0}, "k is 0"),
        (np.ones((1, 2)), np.ones((1, 2)), {"block": 0}, "block is 0"),
        (np.ones((1, 2)), np.ones((1, 2)), {"metric": "hamming"}, "hamming"),
        (np.full((1, 2), np.nan), np.ones((1, 2)), {}, "the queries hold NaN"),
        (np.ones((1, 2)), np.array([[1.0, np.inf]]), {}, "the keys hold NaN"),
    ],
)
def test_refuses(queries, keys, options, message):
    with pytest.raises(InputError, match=message):
        exact_search(queries, keys, **{"k": 1, **options})
