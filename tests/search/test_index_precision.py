"""The index in int8 and in bits: what it finds is what search over the codes finds, whatever has been written since."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.precision import Ranges, fit_ranges, pack_bits
from counterpoint.search import Index, _given, _segments, binary_search, exact_search, int8_search

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))


def cloud(n, d=24, seed=0):
    """Around centres, as texts are, and not around the origin."""
    rng = np.random.default_rng([seed, n])
    centres = np.random.default_rng(0).normal(size=(40, d))
    return (centres[rng.integers(0, 40, n)] + 0.6 * rng.normal(size=(n, d)) + 0.1).astype(np.float32)


def unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def build(folder, z, **options):
    columns = {"third": [i % 3 == 0 for i in range(len(z))], "half": [i % 2 for i in range(len(z))]}
    return Index.build(folder, [str(i) for i in range(len(z))], ["t"] * len(z), z, columns=columns, **options)


def found(index, queries, k, **options):
    hits = index.search(queries, k, **options)
    return np.array([[int(h.id) for h in row] for row in hits]), np.array([[h.score for h in row] for row in hits])


def ranges_of(index):
    return Ranges.from_json(json.loads((index.folder / "index.json").read_text())["ranges"])


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_int8_is_exact_search_over_what_the_codes_stand_for(tmp_path, monkeypatch, metric):
    monkeypatch.setattr(_segments, "_RESTORED", 500)
    z, queries = cloud(3000), cloud(40, seed=1)
    with build(tmp_path / "index", z, metric=metric, precision="int8") as index:
        ranges = ranges_of(index)
        kept = unit(z) if metric == "cosine" else z
        assert index.precision == "int8"
        assert index.nbytes == z.size
        fitted = fit_ranges(kept)
        np.testing.assert_allclose((ranges.low, ranges.high), (fitted.low, fitted.high), atol=1e-6)
        restored = ranges.restore(ranges.quantize(kept))
        np.testing.assert_allclose(index.vectors(["5", "17"]), restored[[5, 17]], atol=1e-6)
        asked = unit(queries) if metric == "cosine" else queries
        ids, scores = exact_search(asked, restored, 10, metric="euclidean" if metric == "euclidean" else "dot")
        got, said = found(index, queries, 10)
        np.testing.assert_allclose(said, scores, rtol=1e-4, atol=1e-4)
        assert (got == ids).mean() > 0.99  # two that are as near may change places
        if metric != "euclidean":
            assert (got == int8_search(asked, ranges.quantize(kept), ranges, 10)[0]).mean() > 0.99
        # and near to what float32 finds
        exact = exact_search(queries, z, 10, metric=metric)[0]
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(got, exact, strict=True)]) > 0.95
        for where, chosen in (("third = true", np.arange(0, 3000, 3)), ("half = 0", np.arange(0, 3000, 2))):
            metrics = "euclidean" if metric == "euclidean" else "dot"
            some = chosen[exact_search(asked, restored[chosen], 10, metric=metrics)[0]]
            assert (found(index, queries, 10, where=[where])[0] == some).mean() > 0.99


@settings(max_examples=15, deadline=None)
@given(
    writes=st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=6),
    k=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_binary_is_binary_search_over_the_documents_that_there_are(tmp_path_factory, writes, k, seed):
    z = cloud(1200, seed=seed)
    living = list(range(300))
    chance = np.random.default_rng(seed)
    with build(tmp_path_factory.mktemp("place") / "index", z[:300], precision="binary") as index:
        new = 300
        for adds, many in writes:
            if adds:
                names = [str(i) for i in range(new, new + many)]
                columns = {"third": [i % 3 == 0 for i in range(new, new + many)]}
                index.add(names, ["t"] * many, z[new : new + many], columns=columns)
                living += range(new, new + many)
                new += many
            else:
                gone = set(chance.choice(living, min(many, len(living) - 20), replace=False).tolist())
                index.delete([str(i) for i in gone])
                living = [i for i in living if i not in gone]
        ranges, queries = ranges_of(index), unit(cloud(8, seed=seed + 1))
        for where, some in ((None, living), (["third = true"], [i for i in living if i % 3 == 0])):
            kept = unit(z[some])
            ids, scores = binary_search(
                queries, pack_bits(kept), k, documents=ranges.quantize(kept), ranges=ranges, oversample=16
            )
            got, said = found(index, queries, k, where=where)
            np.testing.assert_allclose(said, scores, rtol=1e-5, atol=1e-5)
            assert (got == np.array(some)[ids]).mean() > 0.98
        assert index.nbytes == len(living) * (24 + 3)


def test_what_is_stored_is_plain(tmp_path):
    z = cloud(100)
    with build(tmp_path / "index", z, precision="binary") as index:
        ranges = ranges_of(index)
    files = {file.suffix: np.load(file) for file in (tmp_path / "index").glob("data-*/vectors/*")}
    np.testing.assert_array_equal(files[".bits"], pack_bits(z))
    np.testing.assert_allclose(files[".npy"].astype(int), ranges.quantize(unit(z)).astype(int), atol=1)
    assert files[".npy"].dtype == np.int8


def test_texts_are_found_again_by_bits(tmp_path):
    file = FOLDER / "stsb" / "en-test.tsv"
    if not file.exists():
        pytest.skip(f"no {file}")
    rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()[1:]]
    texts = list(dict.fromkeys(row[1] for row in rows))
    encoder = StaticEncoder.from_corpus(texts, dim=256)
    z = encoder.encode(texts)
    queries = encoder.encode([row[2] for row in rows[:200]])
    exact = exact_search(queries, z, 10)[0]
    recall = {}
    for precision in ("int8", "binary"):
        with build(tmp_path / precision, z, precision=precision) as index:
            got = found(index, queries, 10)[0]
        recall[precision] = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(got, exact, strict=True)])
    assert recall["int8"] > 0.98
    assert recall["binary"] > 0.9


def test_ranges_stay_and_what_they_do_not_fit_is_said(tmp_path):
    z = cloud(2000)
    with build(tmp_path / "index", z[:1000], precision="int8") as index:
        before = ranges_of(index)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            index.add([f"n{i}" for i in range(1000)], ["t"] * 1000, z[1000:])
        narrow = np.zeros((50, 24), dtype=np.float32)
        narrow[:, 0] = 1
        with pytest.warns(UserWarning, match=r"^4\.2% of the new vectors' values lie outside the ranges .* int8 codes"):
            index.add([f"m{i}" for i in range(50)], ["t"] * 50, narrow)
        assert (ranges_of(index).low == before.low).all()
        assert len(index) == 2050


def test_ranges_of_many_are_fitted_on_some_that_are_spread_over_them(monkeypatch):
    monkeypatch.setattr(_given, "_SAMPLE", 10)
    monkeypatch.setattr(_segments, "_ROWS", 7)
    z = cloud(45)
    got, expected = _given.ranges_of(z, "dot", "f"), fit_ranges(z[::5], model="f")
    np.testing.assert_array_equal((got.low, got.high), (expected.low, expected.high))
    assert got.model == "f"
    z[20] = np.nan
    with pytest.raises(InputError, match="row 20 of the embeddings holds NaN"):
        _given.ranges_of(z, "dot", "")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"precision": "int4"}, "unknown precision 'int4'; choose float32, int8, binary"),
        ({"metric": "manhattan"}, "unknown metric 'manhattan'; choose one of cosine, dot, euclidean"),
        ({"precision": "binary", "metric": "dot"}, "bits say nothing of lengths, which dot depends on"),
        ({"precision": "binary", "metric": "euclidean"}, "which euclidean depends on; choose cosine or int8"),
        ({"precision": "int8", "uri": "http://localhost:1"}, "a Milvus cluster holds float32, not int8; leave out one"),
        ({"precision": "int8", "approximate": True}, "an approximate index is of float32, not of int8; leave out one"),
    ],
)
def test_what_does_not_go_together_is_one_sentence_before_any_work(tmp_path, options, why):
    with pytest.raises(InputError, match=why):
        build(tmp_path / "index", cloud(30), **options)
    with pytest.raises(InputError, match=why):
        Index.check_folder(tmp_path / "index", **options)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"ranges": None},
        {"precision": "float32"},
        {"precision": "int4"},
        {"ranges": {"model": "", "low": [0], "high": [1]}},
    ],
)
def test_a_damaged_description_is_one_sentence(tmp_path, change):
    build(tmp_path / "index", cloud(30), precision="int8").close()
    file = tmp_path / "index" / "index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match="the index's description cannot be read; make it anew with: counterpoint"):
        Index.open(tmp_path / "index")
