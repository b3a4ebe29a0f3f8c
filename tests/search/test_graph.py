"""The approximate index: what it finds is measured, what it says of each document is exact, changes are seen."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from counterpoint.errors import InputError, MissingExtra
from counterpoint.search import Index, _graph, exact_search

pytest.importorskip("usearch")


def cloud(n, d=24, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 20 + 1, d))
    return (centres[rng.integers(0, len(centres), n)] + 0.5 * rng.normal(size=(n, d))).astype(np.float32)


def build(folder, z, **options):
    columns = {"even": [i % 2 == 0 for i in range(len(z))]}
    return Index.build(folder, [str(i) for i in range(len(z))], ["t"] * len(z), z, columns=columns, **options)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_finds_most_and_scores_exactly(tmp_path, metric):
    z, queries = cloud(4000), cloud(200, seed=1)
    exact, scores = exact_search(queries, z, 10, metric=metric)
    with build(tmp_path / "index", z, metric=metric, approximate=True) as index:
        assert index.recall is not None
        found = index.search(queries, 10)
        recall = np.mean(
            [len({int(h.id) for h in hits} & set(row)) / 10 for hits, row in zip(found, exact, strict=True)]
        )
        assert recall > 0.9
        assert 0.9 < index.recall <= 1
        for hits, row, best in zip(found, exact, scores, strict=True):
            known = dict(zip(row, best, strict=True))
            assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
            assert all(h.score == pytest.approx(known[int(h.id)], abs=1e-4) for h in hits if int(h.id) in known)
        # what a filter leaves, and what asks for much of the index, is compared with exactly
        even = exact_search(queries, z[::2], 10, metric=metric)[0] * 2
        hits = index.search(queries, 10, where=["even = true"])
        assert np.mean([[int(h.id) for h in a] == list(b) for a, b in zip(hits, even, strict=True)]) > 0.98
        assert len(index.search(queries[:1], 4000)[0]) == 4000


def test_changes_are_seen(tmp_path):
    z = cloud(3000)
    with build(tmp_path / "index", z, approximate=True) as index:
        index.delete([str(i) for i in range(0, 600)])
        assert index.recall is not None
        assert all(int(h.id) >= 600 for hits in index.search(z[:300], 10) for h in hits)
        assert all(len(hits) == 10 for hits in index.search(z[:300], 10))
        index.add(["new", "700"], ["t", "t"], np.stack([z[0], -z[1]]))
        assert index.search(z[:1], 1)[0][0].id == "new"
        assert index.search(-z[1:2], 1)[0][0].id == "700"
        # so much more that all is written again: the graph, too
        more = cloud(2000, seed=2)
        index.add([f"m{i}" for i in range(2000)], ["t"] * 2000, more)
        assert index.recall is not None
        assert index.search(more[5:6], 1)[0][0].id == "m5"
        (data,) = index.folder.glob("data-*")
        named = index._store.read(lambda view: {s.name for s in view.snapshot.segments})
        assert {p.stem for p in (data / "vectors").iterdir()} == named
    with Index.open(tmp_path / "index") as index:
        assert index.search(more[5:6], 1)[0][0].id == "m5"


def test_from_a_size_on_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(_graph, "LARGE", 2000)
    for n, asked, approximate in ((1500, None, False), (2500, None, True), (2500, False, False), (500, True, False)):
        with build(tmp_path / "index", cloud(n), approximate=asked) as index:
            assert (index.recall is not None) == approximate


def test_without_usearch(tmp_path, monkeypatch):
    monkeypatch.setattr(_graph, "LARGE", 100)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtra, match="search"):
        build(tmp_path / "index", cloud(2000), approximate=True)
    assert not (tmp_path / "index").exists()
    with build(tmp_path / "index", cloud(2000)) as index:
        assert index.recall is None


def test_a_damaged_graph_is_one_sentence(tmp_path):
    build(tmp_path / "index", cloud(2000), approximate=True).close()
    (file,) = (tmp_path / "index").rglob("*.usearch")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"the approximate index cannot be read .*build the index again"):
        Index.open(tmp_path / "index")
