"""Search by MaxSim against a loop over vectors: items of any number of vectors, blocks, ties, two stages."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.search import late, maxsim, maxsim_rows


def items(counts, d=4, seed=0, dtype=np.float32) -> Ragged:
    rng = np.random.default_rng(seed)
    return Ragged(rng.standard_normal((sum(counts), d)).astype(dtype), np.cumsum([0, *counts]))


def naive(queries: Ragged, documents: Ragged) -> np.ndarray:
    def parts(z):
        return [z.vectors_td[a:b] for a, b in zip(z.offsets_n[:-1], z.offsets_n[1:], strict=True)]

    return np.array(
        [[sum(max(x @ y for y in d) for x in q) if len(d) else 0.0 for d in parts(documents)] for q in parts(queries)]
    )


QUERIES, DOCUMENTS = items([3, 1, 0, 5, 2]), items([2, 0, 7, 1, 1, 4, 0, 3], seed=1)


@pytest.mark.parametrize(("products", "asked", "scores"), [(1, 1, 1), (8, 4, 16), (1 << 18, 1 << 9, 1 << 24)])
def test_scores_are_those_of_a_loop_over_vectors(products, asked, scores, monkeypatch):
    for name, value in (("_PRODUCTS", products), ("_ASKED", asked), ("SCORES", scores)):
        monkeypatch.setattr(late, name, value)
    rows = list(maxsim_rows(QUERIES, DOCUMENTS))
    found, wanted = np.concatenate([part.scores_bm for part in rows]), naive(QUERIES, DOCUMENTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert all((abs(part.scores_bm) <= part.scale_b[:, None] + 1e-5).all() for part in rows)
    exact = [part.exactly(row, np.array([5, 1, 0])) for part in rows for row in range(len(part.scores_bm))]
    np.testing.assert_allclose(exact, naive(QUERIES.astype(np.float64), DOCUMENTS.astype(np.float64))[:, [5, 1, 0]])
    ids, best = maxsim(QUERIES, DOCUMENTS, 3)
    np.testing.assert_array_equal(ids, np.argsort(-found, axis=1, kind="stable")[:, :3])
    np.testing.assert_array_equal(best, np.take_along_axis(found, ids, 1))


def test_equal_scores_are_ordered_by_the_lower_id():
    one = np.eye(2, dtype=np.float32)
    documents = Ragged(one[[0, 1, 0, 0, 1]], np.array([0, 1, 2, 3, 5]))
    asked = Ragged(one[:1], np.array([0, 1]))
    assert maxsim(asked, documents, 3)[0].tolist() == [[0, 2, 3]]
    assert maxsim(asked, documents, 3, among_nc=np.array([[3, 1, 2, -1]]))[0].tolist() == [[2, 3, 1]]


def test_two_stages_score_candidates_alone_and_exactly():
    among = np.array([[7, 2, -1], [0, 1, 5], [4, 3, 2], [-1, -1, -1], [6, 6, 2]])
    ids, scores = maxsim(QUERIES, DOCUMENTS, 2, among_nc=among)
    whole = naive(QUERIES, DOCUMENTS)
    for row, candidates in enumerate(among):
        some = sorted({c for c in candidates.tolist() if c >= 0}, key=lambda c: (-whole[row, c], c))[:2]
        assert ids[row].tolist() == [*some, *[-1] * (2 - len(some))]
        np.testing.assert_allclose(scores[row][: len(some)], whole[row, some], atol=1e-5)
        assert np.isneginf(scores[row][len(some) :]).all()
    everything = np.tile(np.arange(len(DOCUMENTS)), (len(QUERIES), 1))
    np.testing.assert_array_equal(
        maxsim(QUERIES, DOCUMENTS, 3, among_nc=everything)[0], maxsim(QUERIES, DOCUMENTS, 3)[0]
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="4 dimensions cannot be compared with vectors of 3"):
        maxsim(QUERIES, items([2], d=3), 1)
    with pytest.raises(InputError, match="no documents"):
        maxsim(QUERIES, items([]), 1)
    with pytest.raises(InputError, match="k is 0"):
        maxsim(QUERIES, DOCUMENTS, 0)
    with pytest.raises(InputError, match="no ids of documents"):
        maxsim(QUERIES, DOCUMENTS, 1, among_nc=np.full((5, 1), 8))
    with pytest.raises(InputError, match="for 5 queries"):
        maxsim(QUERIES, DOCUMENTS, 1, among_nc=np.zeros((2, 1), dtype=int))
    for offsets in ([0, 2], [1, 3], [0, 4, 3]):
        with pytest.raises(InputError, match="offsets from"):
            Ragged(np.zeros((3, 2), dtype=np.float32), np.array(offsets))


def test_no_queries_find_nothing():
    assert [part.shape for part in maxsim(items([]), DOCUMENTS, 3)] == [(0, 3), (0, 3)]
