from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.precision import fit_ranges, pack_bits, unpack_bits
from counterpoint.search import exact_search
from counterpoint.search.precision import binary_search, hamming_search, int8_search, rescore


def unit(n, d, seed=0):
    z_nd = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return z_nd / np.linalg.norm(z_nd, axis=1, keepdims=True)


@given(n=st.integers(0, 4), m=st.integers(1, 40), d=st.integers(1, 140), k=st.integers(1, 50), block=st.integers(1, 50))
def test_hamming_is_that_of_a_naive_loop(n, m, d, k, block):
    queries, documents = unit(n, d, 1) > 0, unit(m, d, 2) > 0
    documents[m // 2] = documents[0]  # a tie
    ids_nk, distances_nk = hamming_search(np.packbits(queries, axis=1), np.packbits(documents, axis=1), k, block=block)
    assert ids_nk.shape == distances_nk.shape == (n, min(k, m))
    for query, ids_k, distances_k in zip(queries, ids_nk, distances_nk, strict=True):
        every = sorted((sum(a != b for a, b in zip(query, row, strict=True)), i) for i, row in enumerate(documents))
        assert [(a, b) for a, b in zip(distances_k, ids_k, strict=True)] == every[: min(k, m)]


def test_int8_is_the_exact_product_over_restored_vectors():
    queries_nd, z_md = unit(50, 48, 1), unit(3000, 48, 2) + 0.05
    ranges = fit_ranges(z_md[:500])
    codes_md = ranges.quantize(z_md)
    ids_nk, scores_nk = int8_search(queries_nd, codes_md, ranges, 10)
    reference_nm = queries_nd.astype(np.float64) @ ranges.restore(codes_md).astype(np.float64).T
    np.testing.assert_allclose(np.take_along_axis(reference_nm, ids_nk, 1), scores_nk, atol=1e-5)
    np.testing.assert_allclose(np.sort(reference_nm, axis=1)[:, :-11:-1], scores_nk, atol=1e-5)
    assert np.mean(ids_nk[:, 0] == exact_search(queries_nd, z_md, 1, metric="dot")[0][:, 0]) > 0.85


def test_small_vectors_may_be_mapped(tmp_path):
    z_md = unit(200, 20)
    ranges = fit_ranges(z_md)
    for name, rows in (("codes", ranges.quantize(z_md)), ("bits", pack_bits(z_md))):
        np.save(tmp_path / f"{name}.npy", rows)
    codes_md, bits_mb = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("codes", "bits"))
    assert int8_search(z_md[:5], codes_md, ranges, 1)[0].tolist() == [[0], [1], [2], [3], [4]]
    found, scores = binary_search(z_md[:5], bits_mb, 1, documents=codes_md, ranges=ranges)
    assert found.tolist() == [[0], [1], [2], [3], [4]]
    np.testing.assert_allclose(scores, 1, atol=0.02)


def test_rescoring_finds_what_exact_search_finds():
    """Of random vectors, which have no neighbours that stand out: the hardest case."""
    queries_nd, z_md = unit(100, 128, 1), unit(5000, 128, 2)
    exact_nk = exact_search(queries_nd, z_md, 10)[0]
    ranges = fit_ranges(z_md)

    def recall(**options):
        found_nk = binary_search(queries_nd, pack_bits(z_md), 10, **options)[0]
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found_nk, exact_nk, strict=True)])

    by_bits, rescored = recall(oversample=1), recall(documents=z_md)
    assert recall() > by_bits + 0.1
    assert rescored > recall() + 0.1
    assert recall(documents=ranges.quantize(z_md), ranges=ranges) == pytest.approx(rescored, abs=0.02)
    assert recall(documents=z_md, oversample=100) > 0.9
    assert recall(documents=z_md, oversample=500) == 1


@given(n=st.integers(0, 3), m=st.integers(1, 30), k=st.integers(1, 40), d=st.sampled_from([5, 8, 17]))
def test_all_as_candidates_is_exact(n, m, k, d):
    queries_nd, z_md = unit(n, d, 3), unit(m, d, 4)
    z_md[-1] = z_md[0]
    for documents, reference_md in ((z_md, z_md), (None, unpack_bits(pack_bits(z_md), d))):
        found_nk, scores_nk = binary_search(queries_nd, pack_bits(z_md), k, documents=documents, oversample=30)
        assert found_nk.shape == (n, min(k, m))
        order = np.argsort(-np.round(queries_nd @ reference_md.T, 5), axis=1, kind="stable")[:, :k]
        np.testing.assert_allclose(scores_nk, np.take_along_axis(queries_nd @ reference_md.T, order, 1), atol=1e-4)
    assert [row[0] for row in rescore(z_md[:1], np.array([[m - 1, 0]]), z_md, 2)[0]] == [0]


def test_bad_input():
    z_md = unit(20, 16)
    bits_mb, ranges = pack_bits(z_md), fit_ranges(z_md)
    for attempt, why in (
        (lambda: hamming_search(bits_mb, bits_mb[:, :1], 1), r"compared with bits of shape \(20, 1\)"),
        (lambda: hamming_search(bits_mb, bits_mb[:0], 1), "0 documents"),
        (lambda: hamming_search(bits_mb, bits_mb, 0), "k is 0"),
        (lambda: binary_search(z_md, bits_mb, 1, oversample=0), "oversample is 0"),
        (lambda: binary_search(z_md, bits_mb, 1, documents=z_md[:3]), "20 rows of bits and 3 to rescore"),
        (lambda: binary_search(z_md, bits_mb, 1, documents=ranges.quantize(z_md)), "without their ranges"),
        (lambda: binary_search(z_md, bits_mb, 1, documents=z_md[:, :8]), r"documents of shape \(20, 8\)"),
        (lambda: int8_search(z_md[:, :8], ranges.quantize(z_md), ranges, 1), "for 16 dimensions"),
        (lambda: int8_search(z_md, ranges.quantize(z_md)[:, :8], ranges, 1), "cannot be compared"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=why):
            attempt()
