"""The Milvus index: a real round trip, and everything a user can do wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.search import BM25, Hit, Index, exact_search, reciprocal_rank_fusion

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")
WORDS = ["lantern", "harbour", "violin", "copper", "meadow", "orbit", "salt", "engine", "feather", "winter"]


def documents(n=60, d=12, seed=0):
    rng = np.random.default_rng(seed)
    ids = [f"doc '{i}' \"é\\" for i in range(n)]  # quotes and a backslash, which a filter would trip over
    texts = [f"{' '.join(rng.choice(WORDS, 4))} number{i}" for i in range(n)]
    return ids, texts, rng.normal(size=(n, d)).astype(np.float32)


@pytest.fixture
def built(tmp_path):
    ids, texts, z = documents()
    with Index.build(tmp_path / "index", ids, texts, z, metadata={"model": "models/small"}) as index:
        yield index


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_finds_what_exact_search_finds(tmp_path, metric):
    ids, texts, z = documents()
    z[7] = 0
    queries = np.random.default_rng(1).normal(size=(300, 12)).astype(np.float32)  # more than one batch
    expected_ids, expected = exact_search(queries, z, 10, metric=metric)
    seen = []
    Index.build(
        tmp_path / "index", ids, texts, z, metric=metric, metadata={"a": [1]}, progress=lambda *n: seen.append(n)
    ).close()
    assert seen[-1] == (60, 60)
    with Index.open(tmp_path / "index") as index:
        assert (len(index), index.dim, index.metric, index.metadata) == (60, 12, metric, {"a": [1]})
        hits = index.search(queries, 10)
    assert [[h.id for h in row] for row in hits] == [[ids[i] for i in row] for row in expected_ids]
    np.testing.assert_allclose([[h.score for h in row] for row in hits], expected, atol=1e-5)
    assert hits[0][0].text == texts[expected_ids[0, 0]]


def test_hybrid_is_the_fusion_of_both(built):
    ids, texts, z = documents()
    queries, vectors = ["violin harbour", "number7 salt"], z[[3, 40]] + 0.1
    dense, _ = exact_search(vectors, z, 20)
    lexical, _ = BM25(texts).search(queries, 20)
    fused, scores = reciprocal_rank_fusion([dense, lexical], weights=[2, 1], depth=5)
    hits = built.hybrid(queries, vectors, 5, depth=20, weights=(2, 1))
    np.testing.assert_allclose([[h.score for h in row] for row in hits], scores)
    for row, expected in zip(hits, fused, strict=True):
        assert {h.id for h in row[:3]} == {ids[i] for i in expected[:3]}
        assert all(h.text == texts[ids.index(h.id)] for h in row)


def test_add_replace_delete(built):
    ids, _texts, z = documents()
    built.add([ids[0], "new"], ["replaced text zebra", "a new zebra"], np.stack([z[1], -z[1]]))
    assert len(built) == 61
    assert built.search(-z[1:2], 1) == [[Hit("new", pytest.approx(1.0), "a new zebra")]]
    assert {hit.id for hit in built.search(z[1:2], 2)[0]} == {ids[0], ids[1]}
    assert {h.id for h in built.hybrid(["zebra"], z[20:21], 3)[0]} >= {ids[0]}
    assert built.delete(["new", "unknown"]) == 1
    assert len(built) == 60
    assert "new" not in [h.id for h in built.hybrid(["zebra"], -z[1:2], 60)[0]]
    folder = built.folder
    built.close()
    with Index.open(folder) as again:
        assert len(again) == 60
        assert again.hybrid(["zebra"], z[1:2], 1)[0][0].id == ids[0]


def test_an_emptied_index_finds_nothing(built):
    ids, _texts, z = documents()
    assert built.delete(ids) == 60
    assert built.search(z[:2], 3) == [[], []]
    assert built.hybrid(["violin"], z[:1], 3) == [[]]


def test_long_texts_are_cut_at_a_whole_character(tmp_path):
    text = "é" * 40_000
    with Index.build(tmp_path / "index", ["a"], [text], np.ones((1, 2))) as index:
        stored = index.search(np.ones((1, 2)), 1)[0][0].text
    assert len(stored.encode()) == 65_534
    assert text.startswith(stored)


def test_rebuilding_replaces(built):
    folder = built.folder
    with pytest.raises(InputError, match="the index is open"):
        Index.build(folder, ["a"], ["b"], np.ones((1, 2)))
    built.close()
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2))) as index:
        assert (len(index), index.dim) == (1, 2)
    assert sorted(p.name for p in folder.parent.iterdir()) == ["index"]


def test_a_failed_rebuild_leaves_the_old_index(built, monkeypatch):
    folder = built.folder
    built.close()

    def fail(*_):
        raise RuntimeError("lights out")

    with pytest.raises(RuntimeError, match="lights out"):
        Index.build(folder, ["a"], ["b"], np.ones((1, 2)), progress=fail)
    assert sorted(p.name for p in folder.parent.iterdir()) == ["index"]
    with Index.open(folder) as index:
        assert len(index) == 60


def test_a_killed_build_leaves_nothing_in_place(tmp_path):
    script = f"""
        import os, signal
        import numpy as np
        from counterpoint.search import Index
        Index.build({str(tmp_path / "index")!r}, ["a"], ["b"], np.ones((1, 2)),
                    progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    """
    assert run(script).returncode == -9
    assert not (tmp_path / "index").exists()
    with Index.build(tmp_path / "index", ["a"], ["b"], np.ones((1, 2))) as index:
        assert len(index) == 1


def test_two_processes(built):
    script = f"""
        from counterpoint.errors import InputError
        from counterpoint.search import Index
        try:
            Index.open({str(built.folder)!r})
        except InputError as error:
            print(error)
    """
    done = run(script)
    assert "the index is open in another process" in done.stdout
    assert done.stderr == ""


def test_twice_in_one_process_and_nothing_stays_behind(built):
    z = documents()[2]
    other = Index.open(built.folder)
    built.close()
    built.close()
    assert len(other.search(z[:1], 3)[0]) == 3
    other.close()
    assert not serving()


def test_keeps_the_terminal_clean(tmp_path):
    script = f"""
        import numpy as np
        from counterpoint.errors import InputError
        from counterpoint.search import Index
        index = Index.build({str(tmp_path / "index")!r}, ["a", "b"], ["b", "c"], np.eye(2))
        index.search(np.eye(2), 1), index.delete(["a"]), index.hybrid(["c"], np.eye(2)[:1])
    """
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def serving():
    """The threads that serve a Milvus Lite file, once those that are ending have ended."""
    for _ in range(100):
        found = [t.name for t in threading.enumerate() if "_serve" in t.name or "milvus" in t.name.lower()]
        if not found:
            break
        time.sleep(0.05)
    return found


def run(script):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_a_proxy_in_the_environment_is_not_used_for_a_local_file(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Index.build(tmp_path / "index", ["a"], ["b"], np.ones((1, 2))) as index:
        assert index.search(np.ones((1, 2)), 1)[0][0].id == "a"


def test_the_same_against_a_server_by_its_address(tmp_path):
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    server, db, port = start_server_in_thread(str(tmp_path / "server"))
    uri = f"http://127.0.0.1:{port}"
    try:
        ids, texts, z = documents()
        folder = tmp_path / "index"
        Index.build(folder, ["a"], ["b"], np.ones((1, 2)), uri=uri).close()
        first = db.list_collections()
        with Index.build(folder, ids, texts, z, uri=uri) as index:
            assert [h.id for h in index.search(z[5:6], 3)[0]] == [ids[i] for i in exact_search(z[5:6], z, 3)[0][0]]
            assert index.hybrid(["number9"], z[9:10], 1)[0][0].id == ids[9]
            # someone else adds to the same documents
            with Index.open(folder) as other:
                other.add(["new"], ["a zebra"], z[:1])
            assert "new" in [h.id for h in index.hybrid(["zebra"], z[9:10], 3)[0]]
        assert sorted(p.name for p in folder.iterdir()) == ["bm25", "index.json"]
        assert len(db.list_collections()) == 1
        assert db.list_collections() != first  # the old documents are gone, once the new were whole
        with pytest.raises(RuntimeError):
            Index.build(folder, ids, texts, z, uri=uri, progress=lambda *_: (_ for _ in ()).throw(RuntimeError))
        assert len(db.list_collections()) == 1
    finally:
        server.stop(grace=0).wait()
        db.close()
    with pytest.raises(InputError, match=rf"{uri}: Milvus answered: .*check the address"):
        Index.open(folder)


@pytest.mark.parametrize(
    ("ids", "texts", "z", "options", "message"),
    [
        (["a"], ["b", "c"], np.ones((1, 2)), {}, "do not fit"),
        ([], [], np.ones((0, 2)), {}, "nothing to index"),
        (["a", "a"], ["b", "c"], np.ones((2, 2)), {}, "the id 'a' stands twice"),
        ([""], ["b"], np.ones((1, 2)), {}, "the id '' has 0 bytes"),
        (["a"], ["b"], np.array([[1.0, np.nan]]), {}, "row 0 of the embeddings"),
        (["a"], ["b"], np.ones((1, 2)), {"metric": "hamming"}, "hamming"),
    ],
)
def test_build_refuses(tmp_path, ids, texts, z, options, message):
    with pytest.raises(InputError, match=message):
        Index.build(tmp_path / "index", ids, texts, z, **options)
    assert not list(tmp_path.iterdir())


def test_build_does_not_replace_what_is_not_an_index(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not an index"):
        Index.build(tmp_path, ["a"], ["b"], np.ones((1, 2)))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_search_refuses(built):
    with pytest.raises(InputError, match=r"index of 12 dimensions; encode them with the model .*models/small"):
        built.search(np.ones((1, 5)))
    with pytest.raises(InputError, match="row 0 of the queries"):
        built.search(np.full((1, 12), np.inf))
    with pytest.raises(InputError, match="k is 0"):
        built.search(np.ones((1, 12)), 0)
    with pytest.raises(InputError, match="1 texts and 2 vectors"):
        built.hybrid(["a"], np.ones((2, 12)))
    with pytest.raises(InputError, match="5 dimensions do not go into an index of 12"):
        built.add(["a"], ["b"], np.ones((1, 5)))


def test_open_refuses(tmp_path, built):
    with pytest.raises(InputError, match="there is no index"):
        Index.open(tmp_path / "absent")
    built.close()
    file = built.folder / "index.json"
    whole = file.read_text()
    file.write_text(whole[:40])
    with pytest.raises(InputError, match="description cannot be read"):
        Index.open(built.folder)
    file.write_text(json.dumps({**json.loads(whole), "format": 9}))
    with pytest.raises(InputError, match="another version"):
        Index.open(built.folder)
    file.write_text(json.dumps({**json.loads(whole), "collection": "other"}))
    with pytest.raises(InputError, match="no collection other"):
        Index.open(built.folder)


@pytest.mark.parametrize("pattern", ["*.parquet", "schema.json", "manifest.json*"])
def test_a_damaged_index_is_one_sentence(built, pattern):
    built.close()
    damaged = list((built.folder / "index.db").rglob(pattern))
    assert damaged
    for file in damaged:
        file.write_bytes(file.read_bytes()[:10])
    with pytest.raises(InputError), Index.open(built.folder) as index:
        index.search(documents()[2][:1], 1)
    assert not serving()


def test_a_damaged_bm25_is_one_sentence(built):
    (built.folder / "bm25" / "ids.json").write_text("[]")
    with pytest.raises(InputError, match="0 ids for 60 documents"):
        built.hybrid(["a"], np.ones((1, 12)))
