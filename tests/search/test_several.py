"""An index of several vectors a document, against a loop over all of them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged, late
from counterpoint.search import BM25, Index, _several, _view

DIM = 4


def ragged(parts) -> Ragged:
    parts = [np.asarray(part, dtype=np.float32).reshape(-1, DIM) for part in parts]
    return Ragged(np.concatenate([np.empty((0, DIM), np.float32), *parts]), np.cumsum([0, *map(len, parts)]))


def drawn(counts, seed=0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, DIM)).astype(np.float32) for n in counts]


def maxsim(query, document) -> float:
    """By a loop, of the document's vectors as float16 holds them."""
    held = np.asarray(document, dtype=np.float16).astype(np.float64).reshape(-1, DIM)
    return (
        float(sum(max(q @ d for d in held) for q in np.asarray(query, np.float64).reshape(-1, DIM)))
        if len(held)
        else 0.0
    )


def data_of(folder: Path) -> Path:
    (data,) = folder.glob("data-*")
    return data


VECTORS = st.lists(st.lists(st.integers(-3, 3), min_size=DIM, max_size=DIM), max_size=4)
ROWS = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(VECTORS, st.booleans()), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ROWS),
        st.tuples(st.just("delete"), st.lists(st.sampled_from("abcdefgh"), max_size=5)),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("build"), ROWS),
    ),
    max_size=10,
)


@given(steps=STEPS, metric=st.sampled_from(["cosine", "dot", "euclidean"]), query=VECTORS)
@settings(max_examples=40)
def test_any_writes_are_those_of_a_dict(steps, metric, query):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"

        def put(call, rows, **more):
            columns = {"even": [even for _, even in rows.values()]}
            return call(list(rows), [""] * len(rows), ragged(z for z, _ in rows.values()), columns=columns, **more)

        def build(*given, **more):
            return Index.build(folder, *given, metric=metric, **more)

        model = {"first": ([[1, 0, 0, 0]], True), "second": ([], False)}
        index = put(build, model)
        for step, rows in steps:
            if step == "add":
                put(index.add, rows)
                model = {name: row for name, row in model.items() if name not in rows} | rows
            elif step == "delete":
                assert index.delete(rows) == len(model.keys() & set(rows))
                model = {name: row for name, row in model.items() if name not in rows}
            elif step == "reopen":
                index.close()
                index = Index.open(folder)
            else:
                put(build, rows).close()
                model = dict(rows)
            for where, some in ((None, model), (["even = true"], {n: r for n, r in model.items() if r[1]})):
                # by the score, then in the order of adding
                wanted = sorted(((maxsim(query, z), n) for n, (z, _) in some.items()), key=lambda one: -one[0])
                (hits,) = index.search(ragged([query]), 9, where=where)
                assert [(hit.score, hit.id) for hit in hits] == wanted[:9]
        index.close()


@pytest.fixture
def many(tmp_path, monkeypatch):
    """Forty documents, of which four are compared with by all vectors."""
    monkeypatch.setattr(_view, "CANDIDATES", 4)
    parts = drawn([1 + i % 5 for i in range(40)])
    texts = [f"word{i} filler" for i in range(40)]
    with Index.build(tmp_path / "index", [str(i) for i in range(40)], texts, ragged(parts)) as index:
        yield index, parts, texts


def best(query, parts, among, k):
    scores = {i: maxsim(query, parts[i]) for i in among}
    return sorted(among, key=lambda i: (-scores[i], i))[:k], scores


def nearest(query, parts, k):
    means = np.array([part.mean(0) / np.linalg.norm(part.mean(0)) for part in parts])
    return np.argsort(-(means @ query.mean(0)), kind="stable")[:k].tolist()


def test_candidates_are_the_nearest_by_their_means(many):
    index, parts, _ = many
    queries = drawn([3, 1, 2], seed=1)
    found = index.search(ragged(queries), 3)
    for query, hits in zip(queries, found, strict=True):
        order, scores = best(query, parts, nearest(query, parts, 4), 3)
        assert [int(hit.id) for hit in hits] == order
        np.testing.assert_allclose([hit.score for hit in hits], [scores[i] for i in order], rtol=1e-5)
    # or this says nothing
    assert any(
        [int(hit.id) for hit in hits] != best(q, parts, range(40), 3)[0] for q, hits in zip(queries, found, strict=True)
    )
    # as many as are asked for, if that is more
    assert len(index.search(ragged(queries[:1]), 30)[0]) == 30


def test_the_first_places_do_not_depend_on_how_deep_one_looks(many):
    """Pages of one search show every document once."""
    index, _, _ = many
    (query,) = drawn([3], seed=1)
    (whole,) = index.search(ragged([query]), 40)
    assert len({hit.id for hit in whole}) == 40
    for k in (1, 4, 5, 11, 39):
        (some,) = index.search(ragged([query]), k)
        assert [(hit.id, hit.score) for hit in some] == [(hit.id, hit.score) for hit in whole[:k]]


def test_vectors_are_mapped_and_may_be_more_than_the_memory(many):
    """What is mapped to be written to may not be larger than the memory."""
    index, _, _ = many
    (segment,) = index._store.read(lambda view: view.snapshot.segments)
    assert not segment.each.vectors_td.flags.writeable


@pytest.mark.parametrize("items", [1, 3, 100])
def test_means_are_taken_of_some_items_at_a_time(monkeypatch, items):
    monkeypatch.setattr(late, "_ITEMS", items)
    parts = drawn([2, 0, 1, 3, 0, 0, 4])
    expected = [part.mean(0) if len(part) else np.zeros(DIM) for part in parts]
    np.testing.assert_allclose(ragged(parts).means(), expected, rtol=1e-6)


def test_in_hybrid_search_what_words_find_is_compared_with_too(many):
    index, parts, texts = many
    (query,) = drawn([2], seed=2)
    # far by its mean, near by all of its vectors
    (own,), _ = best(query, parts, nearest(query, parts, 40)[4:], 1)
    (hits,) = index.hybrid([f"word{own}"], ragged([query]), 4, depth=4)
    (lexical,), _ = BM25(texts).search([f"word{own}"], 4)
    assert own == lexical[0]
    dense, _ = best(query, parts, {*nearest(query, parts, 4), *(i for i in lexical.tolist() if i >= 0)}, 4)
    assert own in dense
    wanted = {i: 1 / (61 + rank) for rank, i in enumerate(dense)}
    for rank, i in enumerate(i for i in lexical.tolist() if i >= 0):
        wanted[i] = wanted.get(i, 0) + 1 / (61 + rank)
    top = sorted(wanted, key=lambda i: -wanted[i])[:5]
    assert {int(hit.id): hit.score for hit in hits} == pytest.approx({i: wanted[i] for i in top})


def test_what_is_kept(many):
    index, parts, _ = many
    assert index.several
    assert index.dim == DIM
    total = sum(map(len, parts))
    assert index.nbytes == 40 * 4 * DIM + 2 * DIM * total
    (file,) = (data_of(index.folder) / "vectors").glob("*.each")
    held = np.load(file)
    assert held.dtype == np.float16
    np.testing.assert_array_equal(held, np.concatenate(parts).astype(np.float16))
    (segment,) = index._store.read(lambda view: view.snapshot.segments)
    base = segment.each.vectors_td
    while not isinstance(base, np.memmap):
        base = base.base
    # one vector each is that of the mean, and searches by it
    np.testing.assert_allclose(index.vectors(["3"])[0], parts[3].mean(0) / np.linalg.norm(parts[3].mean(0)), rtol=1e-5)
    assert index.search(index.vectors(["3"]), 1)[0][0].id == "3"


@pytest.mark.parametrize("rows", [1, 7, 1024])
def test_documents_are_written_and_compared_with_some_at_a_time(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(_several, "_ROWS", rows)
    parts = drawn([i % 4 for i in range(50)])
    with Index.build(tmp_path / "index", [str(i) for i in range(50)], [""] * 50, ragged(parts)) as index:
        index.delete([str(i) for i in range(0, 50, 3)])
        (query,) = drawn([3], seed=1)
        order, _ = best(query, parts, [i for i in range(50) if i % 3], 50)
        assert [int(hit.id) for hit in index.search(ragged([query]), 50)[0]] == order
        files = index._store.read(lambda view: view.snapshot.segments)
        # what is dead has been taken out of the files
        assert sum(len(s) for s in files) < 50


def test_files_stay_few_and_hold_little_that_is_dead(tmp_path):
    parts = drawn([1 + i % 3 for i in range(260)])
    with Index.build(tmp_path / "index", [str(i) for i in range(200)], [""] * 200, ragged(parts[:200])) as index:
        for i in range(200, 260):
            index.add([str(i)], [""], ragged(parts[i : i + 1]))
            index.delete([str(i - 200)])
        segments = index._store.read(lambda view: view.snapshot.segments)
        assert len(segments) <= 8
        assert sum(len(s) for s in segments) <= 1.34 * len(index)
        files = sorted(p.suffix for p in (data_of(index.folder) / "vectors").iterdir())
        assert files == sorted([".npy", ".each", ".ends"] * len(segments))
        (query,) = drawn([4], seed=3)
        order, _ = best(query, parts, range(60, 260), 10)
        assert [int(hit.id) for hit in index.search(ragged([query]))[0]] == order


@pytest.mark.parametrize("options", [{"precision": "int8"}, {"precision": "binary"}, {"approximate": True}])
def test_means_may_be_kept_and_searched_otherwise(tmp_path, options):
    n = 3000 if "approximate" in options else 300
    parts = drawn([2] * n)
    if "approximate" in options:
        pytest.importorskip("usearch")
    with Index.build(tmp_path / "index", [str(i) for i in range(n)], [""] * n, ragged(parts), **options) as index:
        (query,) = drawn([3], seed=1)
        order, _ = best(query, parts, range(n), 1)
        hits = index.search(ragged([query]), 10)[0]
        assert hits[0].score == pytest.approx(maxsim(query, parts[int(hits[0].id)]), rel=1e-4)
        if n == 300:  # all are compared with
            assert int(hits[0].id) == order[0]


def test_an_index_of_before_has_one_vector_a_document(tmp_path):
    folder = tmp_path / "index"
    Index.build(folder, ["a"], ["one"], np.ones((1, DIM))).close()
    about = json.loads((folder / "index.json").read_text())
    del about["several"]
    (folder / "index.json").write_text(json.dumps(about))
    with Index.open(folder) as index:
        assert not index.several
        index.add(["b"], ["two"], np.ones((1, DIM)))
        assert len(index) == 2


def test_what_does_not_fit_is_one_sentence(tmp_path, many):
    index, *_ = many
    one, several = np.ones((1, DIM), np.float32), ragged(drawn([2]))
    with pytest.raises(InputError, match="one vector a document, and the index has several"):
        index.add(["x"], [""], one)
    with pytest.raises(InputError, match=r"embeddings of 3 dimensions do not go into an index of 4"):
        index.add(["x"], [""], Ragged(np.ones((1, 3)), np.array([0, 1])))
    with pytest.raises(InputError, match=r"queries of shape \(1, 3\) cannot be searched in an index of 4 dimensions"):
        index.search(Ragged(np.ones((1, 3)), np.array([0, 1])))
    with pytest.raises(InputError, match="2 ids, 1 texts"):
        index.add(["x", "y"], [""], several)
    with pytest.raises(InputError, match="2 texts and 1 vectors"):
        index.hybrid(["x", "y"], several)
    for bad in (np.nan, np.inf, 1e6):
        with pytest.raises(InputError, match="NaN, infinite or far too large"):
            index.add(["x"], [""], ragged([[[bad, 0, 0, 0]]]))
    assert len(index) == 40
    assert len(list((data_of(index.folder) / "vectors").iterdir())) == 3
    with Index.build(tmp_path / "other", ["a"], [""], one) as other:
        with pytest.raises(InputError, match="several vectors a document, and the index has one"):
            other.add(["x"], [""], several)
        with pytest.raises(InputError, match="several vectors a query, and the index has one a document"):
            other.search(several)
    with pytest.raises(InputError, match="a Milvus cluster holds one vector a document"):
        Index.build(tmp_path / "third", ["a"], [""], several, uri="http://localhost:1")
    assert not (tmp_path / "third").exists()
