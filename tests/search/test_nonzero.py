"""An index of vectors without their zeros, against one with them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array

from counterpoint.encoders import HybridEncoder, SpladeEncoder, StaticEncoder, encode_nonzero
from counterpoint.errors import InputError
from counterpoint.search import Index

DIM = 6


def data_of(folder: Path) -> Path:
    (data,) = folder.glob("data-*")
    return data


VECTOR = st.lists(st.sampled_from([0.0, 0.0, 0.0, -1.0, 0.5, 2.0]), min_size=DIM, max_size=DIM)
ROWS = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(VECTOR, st.booleans()), min_size=1, max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ROWS),
        st.tuples(st.just("add with zeros"), ROWS),
        st.tuples(st.just("delete"), st.lists(st.sampled_from("abcdefgh"), max_size=6)),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("build"), ROWS),
    ),
    max_size=10,
)


@given(steps=STEPS, metric=st.sampled_from(["cosine", "dot"]), queries=st.lists(VECTOR, min_size=1, max_size=3))
@settings(max_examples=60)
def test_whatever_is_written_it_finds_what_one_with_zeros_finds(steps, metric, queries):
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / "sparse", Path(place) / "dense"]
        indexes: list[Index] = []

        def put(calls, rows, kinds):
            columns = {"even": [even for _, even in rows.values()]}
            z = np.array([vector for vector, _ in rows.values()], dtype=np.float32)
            return [
                call(list(rows), [f"text {i}" for i in rows], kind(z), columns=columns)
                for call, kind in zip(calls, kinds, strict=True)
            ]

        def build(folder):
            return lambda *given, **more: Index.build(folder, *given, metric=metric, **more)

        kinds = csr_array, np.asarray
        indexes = put(map(build, folders), {"first": ([1.0] + [0.0] * 5, True), "none": ([0.0] * DIM, False)}, kinds)
        for step, rows in steps:
            if step.startswith("add"):
                put([i.add for i in indexes], rows, (np.asarray, np.asarray) if "zeros" in step else kinds)
            elif step == "delete":
                gone = {i.delete(rows) for i in indexes}
                assert len(gone) == 1
            else:
                for index in indexes:
                    index.close()
                indexes = put(map(build, folders), rows, kinds) if step == "build" else [Index.open(f) for f in folders]
            sparse, dense = indexes
            assert (sparse.sparse, dense.sparse) == (True, False)
            assert len(sparse) == len(dense)
            q = np.array(queries, dtype=np.float32)
            for k, where in [(1, None), (3, ["even = true"]), (20, None)]:
                for asked in (q, csr_array(q)):
                    found, known = sparse.search(asked, k, where=where), dense.search(q, k, where=where)
                    for some, right in zip(found, known, strict=True):
                        # of equal scores, which rounding may part, either may be the last
                        np.testing.assert_allclose([h.score for h in some], [h.score for h in right], atol=1e-6)
                    if k == 20:
                        assert [{h.id for h in f} for f in found] == [{h.id for h in f} for f in known]
            names = [h.id for h in dense.search(q[:1], 20)[0]]
            np.testing.assert_allclose(sparse.vectors(names), dense.vectors(names), atol=1e-6)
            by_both = [[h.score for h in index.hybrid(["text a"], q[:1], 5, by="scores")[0]] for index in indexes]
            np.testing.assert_allclose(*by_both, atol=1e-5)  # ranks of ties would depend on rounding
        for index in indexes:
            index.close()


def test_only_what_is_not_zero_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    z = np.where(rng.random((500, 3000)) < 0.01, rng.random((500, 3000)), 0).astype(np.float32)
    ids = [f"d{i}" for i in range(500)]
    with Index.build(tmp_path / "i", ids, ids, csr_array(z), metric="dot") as index:
        assert index.nbytes == np.count_nonzero(z) * 8 + 501 * 8
        assert (
            sum(file.stat().st_size for file in (data_of(tmp_path / "i") / "vectors").iterdir()) < index.nbytes + 1000
        )
        found = index.search(z[:40], 3)
    scores = z[:40] @ z.T
    for hits, row in zip(found, scores, strict=True):
        order = np.argsort(-row, kind="stable")[:3]
        assert [h.id for h in hits] == [ids[i] for i in order]
        np.testing.assert_allclose([h.score for h in hits], row[order], rtol=1e-5)


def test_what_is_given_stays_as_it_was_in_whatever_form(tmp_path):
    rows, columns, values = [0, 0, 1, 1], [2, 2, 1, 0], np.array([1.0, 2.0, 0.0, 4.0])
    given_z = coo_array((values, (rows, columns)), shape=(2, 3))
    with Index.build(tmp_path / "i", ["a", "b"], ["", ""], given_z, metric="cosine") as index:
        assert index.vectors(["a", "b"]).tolist() == [[0, 0, 1], [1, 0, 0]]
        assert index.nbytes == 2 * 8 + 3 * 8
    assert given_z.data.tolist() == values.tolist()
    whole = csr_array(given_z)
    before = whole.copy()
    Index.build(tmp_path / "i", ["a", "b"], ["", ""], whole, metric="cosine").close()
    assert (whole != before).nnz == 0
    assert whole.data.tolist() == before.data.tolist()


Z = csr_array(np.eye(3, dtype=np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "do not go with int8; leave it out, or keep the zeros"),
        ({"precision": "binary"}, "do not go with binary"),
        ({"approximate": True}, "do not go with approximate search"),
        ({"uri": "http://127.0.0.1:1"}, "do not go with a Milvus cluster"),
        ({"metric": "euclidean"}, "are not compared by distance; choose cosine or dot"),
    ],
)
def test_what_needs_the_zeros_is_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        Index.build(tmp_path / "i", list("abc"), list("abc"), Z, **options)
    assert not (tmp_path / "i").exists()


def test_bad_vectors_are_refused(tmp_path):
    bad = Z.copy()
    bad.data[1] = np.nan
    with pytest.raises(InputError, match="row 1 of the embeddings holds NaN"):
        Index.build(tmp_path / "i", list("abc"), list("abc"), bad)
    with pytest.raises(InputError, match="do not fit"):
        Index.build(tmp_path / "i", list("ab"), list("ab"), Z)
    with Index.build(tmp_path / "dense", list("abc"), list("abc"), Z.toarray()) as dense:
        with pytest.raises(InputError, match="without their zeros, and the index has them"):
            dense.add(["d"], ["d"], Z[:1])
        assert dense.search(Z[:1], 1)[0][0].id == "a"
    with Index.build(tmp_path / "i", list("abc"), list("abc"), Z) as index:
        with pytest.raises(InputError, match="4 dimensions do not go into an index of 3"):
            index.add(["d"], ["d"], csr_array(np.ones((1, 4), dtype=np.float32)))
        with pytest.raises(InputError, match="row 0 of the embeddings holds NaN"):
            index.add(["d"], ["d"], bad[[1]])
        assert len(index) == 3


@pytest.mark.parametrize("name", ["places", "values", "ends"])
def test_a_file_that_is_cut_is_noticed(tmp_path, name):
    Index.build(tmp_path / "i", list("abc"), list("abc"), Z).close()
    (file,) = (data_of(tmp_path / "i") / "vectors").glob(f"*.{name}")
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(InputError, match="cannot be read"), Index.open(tmp_path / "i") as index:
        index.search(Z[:1].toarray(), 1)


def test_who_knows_only_zeros_must_not_read_it(tmp_path):
    Index.build(tmp_path / "i", list("abc"), list("abc"), Z).close()
    about = json.loads((tmp_path / "i" / "index.json").read_text())
    assert about["format"] == 4
    Index.build(tmp_path / "i", list("abc"), list("abc"), Z.toarray()).close()
    assert json.loads((tmp_path / "i" / "index.json").read_text())["format"] == 2


TEXTS = [f"{a} {b} number {i}" for i, (a, b) in enumerate([("red", "fox"), ("blue", "ant"), ("red", "ant")] * 500)]


@pytest.mark.parametrize("wrapped", [SpladeEncoder, HybridEncoder])
def test_an_encoder_gives_the_same_without_zeros(wrapped):
    table = StaticEncoder.from_corpus(TEXTS, dim=16 if wrapped is HybridEncoder else 256, prompts={"document": "the "})
    encoder = wrapped(table)
    encoder.train()
    dense = encoder.encode(TEXTS, kind="document", dtype="float32")
    done: list[int] = []
    with encoder.counting() as cut:
        z = encode_nonzero(encoder, TEXTS, kind="document", progress=lambda some, _: done.append(some))
    assert z.shape == dense.shape
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.toarray(), dense, atol=2e-2 if torch.cpu._is_amx_tile_supported() else 1e-5)
    assert (done[-1], cut.of, encoder.training) == (1500, 1500, True)
    other = encode_nonzero(encoder, TEXTS[:3], kind="document", prompt="", truncate_dim=20).toarray()
    np.testing.assert_allclose(other, encoder.encode(TEXTS[:3], prompt="", truncate_dim=20), atol=1e-6)
    assert encode_nonzero(encoder, []).shape == (0, encoder.dim)
    with pytest.raises(InputError, match="line 1100: text is int"):
        encode_nonzero(encoder, [*TEXTS[:1099], 1])
