"""Search over sparse vectors against a product of matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from counterpoint.errors import InputError
from counterpoint.search import inverted, sparse_rows, sparse_search


def made(rows, seed):
    return csr_array(random_array((rows, 30), density=0.2, rng=np.random.default_rng(seed), dtype=np.float32))


@pytest.mark.parametrize("scores", [1, 40, 1 << 24])
def test_it_is_a_product_of_matrices(scores, monkeypatch):
    monkeypatch.setattr(inverted, "SCORES", scores)
    q, d = made(7, 0), made(11, 1)
    products = q.toarray() @ d.toarray().T
    rows = np.concatenate([part.scores_bm for part in sparse_rows(q, d)])
    np.testing.assert_allclose(np.where(np.isinf(rows), 0, rows), products, atol=1e-6)
    ids, best = sparse_search(q, d, 4)
    for row in range(7):
        wanted = sorted((c for c in range(11) if products[row, c] > 0), key=lambda c: (-rows[row, c], c))[:4]
        assert ids[row].tolist() == [*wanted, *[-1] * (4 - len(wanted))]
        np.testing.assert_allclose(best[row, : len(wanted)], products[row, wanted], rtol=1e-5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="30 terms"):
        sparse_search(made(2, 0), csr_array((3, 29), dtype=np.float32), 1)
    with pytest.raises(InputError, match="no documents"):
        sparse_search(made(2, 0), csr_array((0, 30), dtype=np.float32), 1)
    with pytest.raises(InputError, match="k is 0"):
        sparse_search(made(2, 0), made(3, 1), 0)
