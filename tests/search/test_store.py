"""The index in a folder: what a dict and brute force say, kept through kills, forks, threads and read-only places."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.precision import Ranges
from counterpoint.search import Document, Index, _connections, _store, exact_search

DIM = 5


def run(script, **more):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
        **more,
    )


def data_of(folder: Path) -> Path:
    (data,) = folder.glob("data-*")
    return data


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3) | st.sampled_from(
    ["a", "b", "c", "\0", "a\0", "A", "é", "e\u0301", "'; DROP TABLE documents; --", "%", "?"]
)
VALUES = (
    st.none()
    | st.integers(-3, 3)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
)
ROWS = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM),
    st.dictionaries(st.sampled_from(["x", "X", "a b", 'q"uote', "ключ"]), VALUES, max_size=3),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.dictionaries(IDS, ROWS, min_size=1, max_size=6)),
        st.tuples(st.just("delete"), st.lists(IDS, max_size=8)),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("build"), st.dictionaries(IDS, ROWS, min_size=1, max_size=6)),
    ),
    max_size=12,
)


def given_to(call, rows, **more):
    names = sorted({name for _, _, columns in rows.values() for name in columns})
    columns = {name: [row[2].get(name) for row in rows.values()] for name in names}
    z = np.array([row[1] for row in rows.values()], dtype=np.float32)
    return call(list(rows), [row[0] for row in rows.values()], z, columns=columns, **more)


KIND = {bool: "bool", int: "number", float: "number", str: "text"}


def passes(value, operator, asked):
    if value is None or asked is None:
        return False
    if KIND[type(value)] != KIND[type(asked)]:
        return operator == "!="
    return {"=": value == asked, "!=": value != asked, "<": value < asked, ">=": value >= asked}[operator]


def refused(seen, column, operator, asked):
    """Whether a condition cannot be meant, given the kinds of values that each column has had."""
    if column not in seen or asked is None:
        return True
    kind = KIND[type(asked)]
    return (bool(seen[column]) and kind not in seen[column]) or (kind == "bool" and operator in ("<", ">="))


def note(seen, rows):
    for _, _, columns in rows.values():
        for name, value in columns.items():
            seen.setdefault(name, set()).update([] if value is None else [KIND[type(value)]])


FORMS = [(m, p) for m in ("cosine", "dot", "euclidean") for p in ("float32", "int8")] + [("cosine", "binary")]


@pytest.mark.filterwarnings("ignore:.*outside the ranges:UserWarning")
@given(
    steps=STEPS,
    form=st.sampled_from(FORMS),
    query=st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM),
    asked=st.tuples(st.sampled_from(["x", "X", "a b", 'q"uote']), st.sampled_from(["=", "!=", "<", ">="]), VALUES),
)
@settings(max_examples=40)
def test_any_writes_are_those_of_a_dict(steps, form, query, asked):
    metric, precision = form
    folder = Path(tempfile.mkdtemp()) / "index"
    model = {"first": ("text", [1, 0, 0, 0, 0], {"x": 1}), "second": ("", [-1, 2, 2, -2, 1], {})}
    index = given_to(lambda *a, **k: Index.build(folder, *a, **k), model, metric=metric, precision=precision)
    seen = {"x": {"number"}}
    query_d = np.array([query], dtype=np.float32)
    try:
        for step, rows in steps:
            if step == "add":
                given_to(index.add, rows)
                note(seen, rows)
                # what is replaced is new, and stands last
                model = {name: row for name, row in model.items() if name not in rows} | rows
            elif step == "delete":
                assert index.delete(rows) == len(model.keys() & set(rows))
                model = {name: row for name, row in model.items() if name not in rows}
            elif step == "reopen":
                index.close()
                index = Index.open(folder)
            else:
                more = {"metric": metric, "precision": precision}
                given_to(lambda *a, **k: Index.build(folder, *a, **k), rows, **more).close()
                model, seen = dict(rows), {}
                note(seen, rows)
            assert len(index) == len(model)
            assert index.get([*model, "no such"]) == [*(whole(model, name) for name in model), None]
            check(index, model, metric, query_d, None, model)
            some = {n: row for n, row in model.items() if passes(row[2].get(asked[0]), *asked[1:])}
            if refused(seen, *asked):
                with pytest.raises(InputError, match=r"no column|cannot be compared|is not that|have no order"):
                    index.search(query_d, where=[asked])
            else:
                check(index, model, metric, query_d, [asked], some)
    finally:
        index.close()
        shutil.rmtree(folder.parent)


def whole(model, name):
    return Document(name, model[name][0], {k: v for k, v in model[name][2].items() if v is not None})


def check(index, model, metric, query_d, where, some):
    (hits,) = index.search(query_d, max(1, len(model) + 1), where=where)
    for hit in hits:  # True is not 1, nor 1.0
        assert {n: type(v) for n, v in hit.columns.items()} == {
            n: type(v) for n, v in whole(model, hit.id).columns.items()
        }
    if not some:
        assert hits == []
        return
    names = list(some)
    z = np.array([some[name][1] for name in names], dtype=np.float32)
    if index.precision != "float32":
        # what the codes stand for, which is not of length 1 again
        ranges = Ranges.from_json(index._about["ranges"])
        if metric == "cosine":
            z, query_d, metric = unit(z), unit(query_d), "dot"
        z = ranges.restore(ranges.quantize(z))
    (places,), (scores,) = exact_search(query_d, z, len(names), metric=metric)
    assert {h.id for h in hits} == set(names)
    np.testing.assert_allclose([h.score for h in hits], scores, atol=1e-5)
    for hit, score in zip(hits, scores, strict=True):
        own = scores[list(places).index(names.index(hit.id))]
        assert own == pytest.approx(score, abs=1e-5)
        assert (hit.text, hit.columns) == (whole(model, hit.id).text, whole(model, hit.id).columns)


def unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True).clip(1e-12)


def test_equal_scores_are_in_the_order_of_adding(tmp_path):
    with Index.build(tmp_path / "index", ["z", "a", "m"], ["", "", ""], np.ones((3, 2))) as index:
        index.add(["b", "z"], ["", ""], np.ones((2, 2)))
        assert [h.id for h in index.search(np.ones((1, 2)), 4)[0]] == ["a", "m", "b", "z"]


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_files_of_vectors_stay_few_and_hold_little_that_is_dead(tmp_path, precision):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 16)).astype(np.float32)
    names = [str(i) for i in range(1000)]
    with Index.build(tmp_path / "index", names, ["t"] * 1000, z[:1000], precision=precision) as index:
        for start in range(1000, 1100):
            index.add([str(start)], ["t"], z[start : start + 1])
        segments = index._store.read(lambda view: view.snapshot.segments)
        assert len(segments) <= 10
        assert sum(len(s) for s in segments) == 1100
        for start in range(0, 1000, 20):
            index.delete([str(i) for i in range(start, start + 20)])
            segments = index._store.read(lambda view: view.snapshot.segments)
            assert sum(len(s) for s in segments) <= 1.34 * len(index)
            files = list((data_of(index.folder) / "vectors").iterdir())
            assert len(files) == len(segments) * (2 if precision == "binary" else 1)
        assert [h.id for h in index.search(z[1050:1051], 1)[0]] == ["1050"]


def formed(call, z, form):
    """Give vectors as they are, or as documents of several."""
    if form == "several":
        return call(Ragged(z, np.arange(len(z) + 1)))
    return call(z, precision=form)


@pytest.mark.parametrize(
    ("where", "precision"),
    [
        ("segments", "float32"),
        ("rows", "float32"),
        ("before the commit", "float32"),
        ("bits", "binary"),
        ("before the commit", "binary"),
        ("several", "several"),
        ("where they begin", "several"),
        ("before the commit", "several"),
    ],
)
def test_a_writer_killed_anywhere_leaves_the_old_state(tmp_path, where, precision):
    folder = tmp_path / "index"
    formed(lambda z, **k: Index.build(folder, ["a", "b"], ["one", "two"], z, **k), np.eye(2), precision).close()
    patched = {
        "bits": "search._writing.pack_bits = die",
        "several": "search._several._half = die",
        "where they begin": "search._several.write_matrix = lambda *a: (file(*a), die())",
        "segments": "search._files.os.fsync = die",
        "rows": "search._store.insert = lambda *a: (real(*a), die())",
        "before the commit": "search._store.merge = lambda *a: (merge(*a), die())",
    }[where]
    script = f"""
        import os, signal
        import numpy as np
        from counterpoint import search
        from counterpoint.geometry import Ragged
        from counterpoint.search import Index, _files, _several, _store, _writing
        die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        real, merge, file = search._store.insert, search._store.merge, search._several.write_matrix
        with Index.open({str(folder)!r}) as index:
            {patched}
            z = np.eye(2)[::-1]
            index.add(["a", "c"], ["new", "new"], Ragged(z, np.arange(3)) if index.several else z)
    """
    done = run(script)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Index.open(folder) as index:
        assert index.get(["a", "b", "c"]) == [Document("a", "one"), Document("b", "two"), None]
        assert [h.id for h in index.search(np.eye(2)[:1])[0]] == ["a", "b"]
        formed(lambda z, **_: index.add(["c"], ["three"], z), np.eye(2)[:1], precision)
        assert len(index) == 3
        named = index._store.read(lambda view: {s.name for s in view.snapshot.segments})
    files = [p.name for p in (data_of(folder) / "vectors").iterdir()]
    endings = {"binary": ("npy", "bits"), "several": ("npy", "each", "ends")}.get(precision, ("npy",))
    assert sorted(files) == sorted(f"{name}.{end}" for name in named for end in endings)


def test_a_killed_build_leaves_nothing_in_place(tmp_path):
    script = f"""
        import os, signal
        import numpy as np
        from counterpoint.search import Index
        Index.build({str(tmp_path / "index")!r}, ["a"], ["b"], np.ones((1, 2)),
                    progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    """
    assert run(script).returncode == -signal.SIGKILL
    with pytest.raises(InputError, match="there is no index"):
        Index.open(tmp_path / "index")
    left = data_of(tmp_path / "index")
    with Index.build(tmp_path / "index", ["a"], ["b"], np.ones((1, 2))) as index:
        assert not left.exists()
        assert len(index) == 1
    # what a killed build leaves beside a good index is taken away once nobody can be at work on it
    shutil.copytree(data_of(tmp_path / "index"), left)
    os.utime(left, (0, 0))
    with Index.open(tmp_path / "index") as index:
        index.delete(["none"])
    assert not left.exists()


def test_a_second_writer_waits_and_then_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_connections, "_PATIENCE", 0.2)
    folder = tmp_path / "index"
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2))) as index, Index.open(folder) as other:
        with index._store.writing():
            assert len(other) == 1
            for call in (
                lambda: other.add(["c"], ["d"], np.ones((1, 2))),
                lambda: other.delete(["a"]),
                lambda: Index.build(folder, ["a"], ["b"], np.ones((1, 2))),
            ):
                with pytest.raises(InputError, match="another process is writing to the index; try again"):
                    call()
        other.add(["c"], ["d"], np.ones((1, 2)))
        assert len(index) == 2


def test_writers_at_once_lose_nothing(tmp_path):
    folder = tmp_path / "index"
    Index.build(folder, ["first"], ["b"], np.ones((1, 2))).close()
    script = f"""
        import sys
        import numpy as np
        from counterpoint.search import Index
        with Index.open({str(folder)!r}) as index:
            for i in range(10):
                index.add([sys.argv[1] + str(i)], ["text"], np.ones((1, 2)))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    writers = [subprocess.Popen([*command, name], stderr=subprocess.PIPE) for name in "xyz"]
    assert [(w.communicate(timeout=120)[1], w.returncode) for w in writers] == [(b"", 0)] * 3
    with Index.open(folder) as index:
        assert len(index) == 31
        assert None not in index.get([f"{name}{i}" for name in "xyz" for i in range(10)])


def test_what_another_writer_has_not_named_yet_stays(tmp_path, monkeypatch):
    """Between a commit and its cleaning the next writer has the right to write, and its files are there already."""
    folder, begun, cleaned = tmp_path / "index", threading.Event(), threading.Event()
    mine, calls, there = threading.get_ident(), [], []
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2))) as index, Index.open(folder) as other:
        file = index._store._current().folder / "vectors" / "unfinished.npy"

        def write():
            with other._store.writing():
                file.touch()
                begun.set()
                cleaned.wait(30)
                there.append(file.exists())

        writer = threading.Thread(target=write)
        for name in ("clean", "discard"):
            real = getattr(_store, name)

            def late(*arguments, real=real):
                if threading.get_ident() == mine:
                    calls.append(real)
                    if len(calls) == 2:  # the first is before writing
                        begun.wait(30)
                real(*arguments)

            monkeypatch.setattr(_store, name, late)
        with index._store.writing():
            writer.start()  # it waits for the right to write
        cleaned.set()
        writer.join()
        assert len(calls) == 2
        assert there == [True]
        index.add(["c"], ["d"], np.ones((1, 2)))
        assert not file.exists()


def test_a_writer_that_waited_for_a_build_writes_to_the_new_index(tmp_path):
    folder = tmp_path / "index"
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2))) as index, Index.open(folder) as other:
        with index._store.writing():
            thread = threading.Thread(target=other.add, args=(["c"], ["d"], np.ones((1, 2))))
            thread.start()
            about = index._store.about | {"data": "data-000000000000"}
            shutil.copytree(data_of(folder), folder / about["data"])
            from counterpoint.search import _folder

            _folder.write(folder, about)
        thread.join()
        assert len(other) == len(index) == 2


def test_threads_share_an_index(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 8)).astype(np.float32)
    wrong = []
    with Index.build(tmp_path / "index", [str(i) for i in range(100)], ["t"] * 100, z[:100]) as index:

        def look(seed):
            for i in np.random.default_rng(seed).integers(0, 100, 50):
                hit = index.search(z[i : i + 1], 1)[0][0]
                if hit.id != str(i):
                    wrong.append(hit)

        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for i in range(100, 150):
            index.add([str(i)], ["t"], z[i : i + 1])
        for thread in threads:
            thread.join()
        assert not wrong
        assert len(index) == 150


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_index_goes_on_in_a_forked_process(tmp_path):
    script = f"""
        import os
        import numpy as np
        from counterpoint.search import Index
        index = Index.build({str(tmp_path / "index")!r}, ["a"], ["b"], np.ones((1, 2)))
        pid = os.fork()
        if pid == 0:
            index.add(["c"], ["d"], np.ones((1, 2)))
            index.close()
            os._exit(0 if len(Index.open(index.folder)) == 2 else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert len(index) == 2
        index.add(["e"], ["f"], np.ones((1, 2)))
        index.close()
    """
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def read_only(tmp_path):
    """A folder as it is seen on a disk that may only be read, and as it is seen by those who may write."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place, seen = tmp_path / "place", tmp_path / "seen"
    place.mkdir()
    seen.mkdir()
    if subprocess.run(["mount", "--bind", place, seen], check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", seen], check=True)
        yield place, seen
    finally:
        subprocess.run(["umount", seen], check=True)


def test_a_read_only_place(read_only):
    place, seen = read_only
    Index.build(place / "index", ["a", "b"], ["one", "two"], np.eye(2), columns={"x": [1, 2]}).close()
    held = sorted(p.name for p in data_of(place / "index").iterdir())
    with Index.open(seen / "index") as index:
        assert [h.id for h in index.search(np.eye(2)[:1], where=["x >= 1"])[0]] == ["a", "b"]
        assert index.hybrid(["two"], np.eye(2)[1:])[0][0].id == "b"
        for call in (
            lambda: index.add(["c"], ["d"], np.ones((1, 2))),
            lambda: index.delete(["a"]),
            index.check_writable,
        ):
            with pytest.raises(InputError, match="may only be read here"):
                call()
        with pytest.raises(InputError, match="cannot be written"):
            Index.build(seen / "index", ["c"], ["d"], np.ones((1, 2)))
        assert held == sorted(p.name for p in data_of(place / "index").iterdir())
        # somebody who may write does: with the writer still at it, and after
        with Index.open(place / "index") as writer:
            writer.add(["c"], ["three"], np.ones((1, 2)))
            assert (len(index), index.hybrid(["three"], np.ones((1, 2)))[0][0].id) == (3, "c")
            writer.delete(["a"])
            assert len(index) == 2
        writer.close()
        assert [h.id for h in index.search(np.eye(2)[:1])[0]] == ["c", "b"]
        with Index.build(place / "index", ["z"], ["new"], np.ones((1, 3))):
            assert index.search(np.ones((1, 3)))[0][0].id == "z"


def test_a_read_only_place_with_what_a_killed_writer_left(read_only):
    place, seen = read_only
    Index.build(place / "index", ["a"], ["one"], np.ones((1, 2))).close()
    script = f"""
        import os, signal
        import numpy as np
        from counterpoint.search import Index
        index = Index.open({str(place / "index")!r})
        index.add(["b"], ["two"], np.ones((1, 2)))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run(script).returncode == -signal.SIGKILL
    assert (data_of(place / "index") / "documents.db-wal").stat().st_size > 0
    with Index.open(seen / "index") as index:
        assert index.get(["a", "b"]) == [Document("a", "one"), Document("b", "two")]


def test_one_who_may_not_write(tmp_path):
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("becoming somebody else needs root")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        folder.chmod(0o755)
        Index.build(folder / "index", ["a"], ["one"], np.ones((1, 2))).close()
        script = f"""
            import numpy as np, os
            from counterpoint.errors import InputError
            from counterpoint.search import Index
            with Index.open({str(folder / "index")!r}) as index:
                index.hybrid(["one"], np.ones((1, 2)))  # what this imports, the other may not read
                os.setuid(65534)
                print(index.search(np.ones((1, 2)))[0][0].id)
            with Index.open({str(folder / "index")!r}) as index:
                print(index.hybrid(["one"], np.ones((1, 2)))[0][0].id)
                for call in (lambda: index.delete(["a"]), lambda: Index.check_folder({str(folder / "other")!r})):
                    try:
                        call()
                    except InputError as error:
                        print(error)
        """
        done = run(script, cwd="/")
        assert done.stderr == ""
        assert done.stdout.splitlines()[:2] == ["a", "a"]
        assert "may only be read here" in done.stdout
        assert "cannot be written (permission denied)" in done.stdout
    finally:
        shutil.rmtree(folder)


def test_a_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("cannot mount here")
    try:
        with Index.build(small / "index", ["a"], ["one"], np.ones((1, 2))) as index:
            for texts, z in ((["x" * 10**7], np.ones((1, 2))), (["x"] * 10**6, np.ones((10**6, 2)))):
                names = [str(i) for i in range(len(texts))]
                with pytest.raises(InputError, match="no space left on the disk, nothing was written"):
                    index.add(names, texts, z)
                with pytest.raises(InputError, match="no space left on the disk, nothing was written"):
                    Index.build(small / "index", names, texts, z)
                assert index.get(["a"]) == [Document("a", "one")]
            index.add(["b"], ["two"], np.ones((1, 2)))
            assert len(index) == 2
        assert len(list((small / "index").iterdir())) == 2
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("pattern", ["documents.db", *(f"vectors/*.{end}" for end in ("npy", "bits", "each", "ends"))])
@pytest.mark.parametrize("left", [0, 10, 300])
def test_a_damaged_index_is_one_sentence(tmp_path, pattern, left):
    folder = tmp_path / "index"
    form = {"vectors/*.bits": "binary", "vectors/*.each": "several", "vectors/*.ends": "several"}.get(
        pattern, "float32"
    )
    formed(lambda z, **k: Index.build(folder, ["a", "b"], ["one", "two"], z, **k), np.eye(2), form).close()
    damaged = list(data_of(folder).glob(pattern))
    assert damaged
    for file in damaged:
        whole = file.read_bytes()
        file.write_bytes(whole[: left if left < 300 else len(whole) // 2])
    with pytest.raises(InputError, match=r"build .*again") as refused, Index.open(folder) as index:
        index.search(np.eye(2))
    assert len(str(refused.value).splitlines()) == 1
    # what is broken can be replaced
    with Index.build(folder, ["c"], ["d"], np.ones((1, 2))) as index:
        assert len(index) == 1


def test_bm25_is_always_of_the_documents_that_are_searched(tmp_path):
    folder = tmp_path / "index"
    with Index.build(folder, ["a", "b"], ["one", "two"], np.eye(2)) as index:
        kept = list(data_of(folder).glob("bm25-*"))
        assert len(kept) == 1
        for file in kept[0].iterdir():
            file.write_bytes(file.read_bytes()[:10])
        with Index.open(folder) as other:
            assert other.hybrid(["two"], np.eye(2)[:1], 1, weights=(1e-9, 1))[0][0].id == "b"
        index.add(["b", "c"], ["three", "two"], np.eye(2))
        assert index.hybrid(["two"], np.eye(2)[:1], 1, weights=(1e-9, 1))[0][0].id == "c"
        again = list(data_of(folder).glob("bm25-*"))
        assert len(again) == 1
        assert again != kept


def test_an_index_that_is_closed_or_gone_is_one_sentence(tmp_path):
    index = Index.build(tmp_path / "index", ["a"], ["b"], np.ones((1, 2)))
    index.close()
    index.close()
    with pytest.raises(InputError, match="the index is closed; open it again"):
        index.search(np.ones((1, 2)))
    with Index.open(tmp_path / "index") as index:
        shutil.rmtree(tmp_path / "index")
        with pytest.raises(InputError, match="there is no index"):
            index.search(np.ones((1, 2)))


def test_a_place_with_odd_characters(tmp_path):
    folder = tmp_path / "50% of #1? é"
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2))) as index:
        assert len(index) == 1


def test_what_is_stored_is_plain(tmp_path):
    """The files are what the how-to says: anyone can read them with SQLite and NumPy."""
    z = np.array([[3.0, 4.0], [0.0, 2.0]], dtype=np.float32)
    Index.build(tmp_path / "index", ["a", "b"], ["one", "two"], z).close()
    data = data_of(tmp_path / "index")
    db = sqlite3.connect(data / "documents.db")
    assert db.execute("SELECT id, text FROM documents ORDER BY key").fetchall() == [("a", "one"), ("b", "two")]
    db.close()
    (file,) = (data / "vectors").iterdir()
    np.testing.assert_allclose(np.load(file), [[0.6, 0.8], [0, 1]], rtol=1e-6)


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
