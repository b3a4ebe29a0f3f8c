"""Whole or not at all: after an exception, a kill -9 and on a full disk."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from counterpoint.comparing import compare
from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.files import alone, atomic, check_output, inside, remove, write_json
from counterpoint.fitting import fit
from counterpoint.fitting.pretraining import pretrain
from counterpoint.fitting.reranking import fit_reranker
from counterpoint.negatives.to_file import mine_to


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_takes_its_place(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    for text in ("one", "two"):
        with atomic(path) as part:
            part.write_text(text)
            assert part.parent == path.parent  # the same disk, or the rename would copy
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    assert names(path.parent) == ["a.txt"]


def test_a_folder_takes_its_place(tmp_path):
    path = tmp_path / "model"
    for files in (["a", "b"], ["c"]):
        with atomic(path) as part:
            part.mkdir()
            for name in files:
                (part / name).write_text(name)
        assert names(path) == files
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(13, "denied"), InputError("bad")])
@pytest.mark.parametrize("folder", [False, True])
def test_an_exception_leaves_the_old(tmp_path, error, folder):
    path = tmp_path / "a"
    if folder:
        path.mkdir()
        (path / "x").write_text("old")
    else:
        path.write_text("old")

    def write():
        with atomic(path) as part:
            if folder:
                part.mkdir()
            (part / "x" if folder else part).write_text("half")
            raise error

    with pytest.raises(type(error)) as caught:
        write()
    assert caught.value is error
    assert ((path / "x") if folder else path).read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_part_left_by_the_same_process_is_no_obstacle(tmp_path):
    left = tmp_path / f".a.{os.getpid()}.part"
    left.mkdir()
    (left / "junk").write_text("junk")
    with atomic(tmp_path / "a") as part:
        part.write_text("new")
    assert names(tmp_path) == ["a"]


KILLED = """
import sys, time
from pathlib import Path
from counterpoint.files import atomic

with atomic(Path(sys.argv[1])) as part:
    with part.open("w") as file:
        file.write("half")
        file.flush()
        print("written", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("before", [None, "old"])
def test_kill_in_the_middle_of_a_write(tmp_path, before):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)
    process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (path.read_text() if path.exists() else None) == before
    # and the next one to write is not in its way
    with atomic(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"


def test_a_reader_never_sees_half(tmp_path):
    """Two hundred replacements under a reader's eyes."""
    path, texts, stop = tmp_path / "a", {"x" * 5000, "y" * 7000}, threading.Event()
    with atomic(path) as part:
        part.write_text("x" * 5000)
    seen = set()

    def read():
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(200):
        with atomic(path) as part:
            part.write_text(sorted(texts)[i % 2])
    stop.set()
    reader.join()
    assert seen <= texts


@pytest.fixture
def small_disk(tmp_path):
    """One megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no mount here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def write_bytes(part):
    part.write_bytes(b"x" * 3_000_000)


def write_numpy(part):
    with part.open("wb") as file:
        np.save(file, np.zeros(3_000_000))


def write_torch(part):
    torch.save(torch.zeros(1_000_000), part)


def write_safetensors(part):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1_000_000)}, part)


def write_folder(part):
    part.mkdir()
    (part / "small").write_text("fits")
    write_safetensors(part / "large")


def save(path, write):
    with atomic(path) as part:
        write(part)


@pytest.mark.parametrize("write", [write_bytes, write_numpy, write_torch, write_safetensors, write_folder])
def test_a_full_disk(small_disk, write):
    """Whichever library writes, and however it reports: one sentence, the old file, nothing left over."""
    path = small_disk / "a"
    path.write_text("old")
    with pytest.raises(InputError, match="no space left on the disk, nothing was written; free some space") as error:
        save(path, write)
    assert error.value.file == str(path)
    # torch's writer keeps its deleted file open as long as the error is known
    del error
    gc.collect()
    assert path.read_text() == "old"
    assert names(small_disk) == ["a"]
    with atomic(path) as part:
        part.write_bytes(b"x" * 500_000)


def test_an_error_on_a_full_disk_that_is_not_about_the_disk(small_disk):
    """A user's own mistake is reported as it is."""
    (small_disk / "full").write_bytes(b"x" * 2**20)
    with pytest.raises(InputError, match="wrong column"), atomic(small_disk / "a"):
        raise InputError("wrong column")


def test_json(tmp_path):
    value = {"name": "Müller", "values": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == value
    assert "Müller" in text
    assert text.endswith("}\n")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert json.loads((tmp_path / "a.json").read_text()) == value
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "..", "a/../..", "link", "link/x"])
def test_a_name_that_leads_out(tmp_path, name):
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="leads out of the folder"):
        inside(folder, name)


@pytest.mark.parametrize("name", ["1_Pooling", "a/b/c.json", "a/../b", "./b", "..b", "here/x"])
def test_a_name_that_stays(tmp_path, name):
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (folder / "here").symlink_to(folder / "a")
    assert inside(folder, name).is_relative_to(folder)


def test_a_folder_beside_with_the_same_beginning(tmp_path):
    """`model-other` is not in `model`."""
    with pytest.raises(InputError):
        inside(tmp_path / "model", "../model-other/x")


def test_remove(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "x").write_text("x")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "x").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "link", "absent"):
        remove(tmp_path / name)
    # a link is removed, not what it leads to
    assert names(tmp_path) == ["kept"]
    assert names(tmp_path / "kept") == ["x"]


def write_both(part):
    part.mkdir()
    (part / "a.json").write_text("{}")
    (part / "deep").mkdir()
    write_safetensors(part / "deep" / "a.safetensors")


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_mode_that_the_umask_says(tmp_path, umask):
    """safetensors writes through a temporary file of mode 600."""
    before = os.umask(umask)
    try:
        save(tmp_path / "weights", write_safetensors)
        save(tmp_path / "model", write_both)
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) == 4
    assert {p.stat().st_mode & 0o777 for p in files} == {0o666 & ~umask}
    assert names(tmp_path) == ["a.json", "model", "weights"]


def make_outputs(folder: Path) -> None:
    for name in ("run", "run/.training", "foreign", "empty", "hidden", "hidden/.cache", "source"):
        (folder / name).mkdir()
    for name in ("file", "run/run.json", "foreign/notes.txt", "source/corpus.jsonl"):
        (folder / name).touch()
    (folder / "lost").symlink_to(folder / "nowhere")


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("file", {}, "is a file, and a folder"),
        ("file/run", {}, "cannot be made, .*file is a file"),
        ("file/deep/er/run", {}, "cannot be made, .*file is a file"),
        ("file/a.npy", {"kind": "file"}, "cannot be made, .*file is a file"),
        ("lost", {}, "leads nowhere"),
        ("foreign", {"ours": ["run.json"]}, r"holds something else \(notes.txt\)"),
        ("source", {"source": "source"}, "lies in the source folder"),
        ("source/deep/run", {"source": "source"}, "lies in the source folder"),
        ("source/z.npy", {"kind": "file", "source": "source"}, "lies in the source folder"),
        ("file", {"kind": "file", "source": "file"}, "is the source itself"),
        ("empty", {"kind": "file", "suffix": ".npy"}, "is a folder, .* for example, .*empty/output.npy"),
        ("z.np", {"kind": "file", "suffix": ".npy"}, "does not end in .npy; write .*z.np.npy"),
        ("n" * 300, {}, "cannot be written .file name too long"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be(tmp_path, name, options, why):
    make_outputs(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    options = {k: tmp_path / v if k == "source" else v for k, v in options.items()}
    with pytest.raises(InputError, match=why) as error:
        check_output(tmp_path / name, **options)
    assert error.value.file == str(tmp_path / name)
    assert error.value.fix
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("new/deep", {}),
        ("empty", {"ours": ["run.json"]}),
        ("hidden", {"ours": ["run.json"]}),
        ("run", {"ours": ["run.json"]}),
        ("run", {"ours": [".training"]}),
        ("run", {"kind": "replaced folder", "ours": ["run.json"]}),
        ("file", {"kind": "file"}),
        ("deep/z.npy", {"kind": "file", "suffix": ".npy", "source": "source"}),
        ("source-of-another-name", {"source": "source"}),
        ("run", {"source": "source/corpus.jsonl"}),
    ],
)
def test_an_output_that_can_be(tmp_path, name, options):
    make_outputs(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    options = {k: tmp_path / v if k == "source" else v for k, v in options.items()}
    assert check_output(tmp_path / name, **options) == tmp_path / name
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("kind", "refused"), [("folder", False), ("replaced folder", True), ("file", True)])
def test_an_output_in_a_folder_that_may_not_be_written(tmp_path, kind, refused):
    """A folder that exists is written into, or replaced, for which its parent must be writable. Root may all."""
    script = "import sys; from counterpoint.files import check_output; check_output(sys.argv[1], sys.argv[2])"
    locked, own = tmp_path / "locked", tmp_path / "locked" / "own"
    own.mkdir(parents=True)
    own.chmod(0o777)
    locked.chmod(0o555)
    target = own if kind != "file" else locked / "z.npy"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if user and (not shutil.which("setpriv") or not open_to_all(tmp_path)):
        pytest.skip("no other user here")
    done = subprocess.run(
        [*user, sys.executable, "-c", script, target, kind], capture_output=True, text=True, check=False
    )
    assert ("cannot be written (permission denied); choose" in done.stderr) == refused, done.stderr
    assert (done.returncode != 0) == refused, done.stderr


def open_to_all(folder: Path) -> bool:
    """Make the folder reachable for other users; False where what Python needs is not."""
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and parent.is_relative_to(tempfile.gettempdir()):
            parent.chmod(parent.stat().st_mode | 0o055)
    reachable = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        sys.executable,
        "-c",
        "import counterpoint",
    ]
    return subprocess.run(reachable, capture_output=True, check=False).returncode == 0


def test_no_two_runs_write_to_one_output_and_whatever_ends_a_run_ends_its_lock(tmp_path):
    script = "import sys, time; from counterpoint.files import alone\n"
    script += "@alone\ndef work(output):\n    print('in', flush=True)\n    time.sleep(600)\nwork(sys.argv[1])"
    output = tmp_path / "new" / "run"
    other = subprocess.Popen([sys.executable, "-c", script, output], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        said = list[str]()

        @alone
        def work(what: str, output: Path = output) -> str:
            said.append(what)
            if what == "fails":
                raise InputError("no")
            return what

        with pytest.raises(InputError, match=r"run: another run is writing there; wait until that has ended"):
            work("held")
        assert work("elsewhere", tmp_path / "new" / "other") == "elsewhere"
        with pytest.MonkeyPatch.context() as patch:
            # the second of processes that work together has no lock to take
            patch.setenv("RANK", "1")
            assert work("together") == "together"
        other.kill()
        other.wait()
        assert (output.parent / ".run.lock").exists()
        assert work("after") == "after"
        with pytest.raises(InputError, match="no"):
            work("fails")
        assert work("again") == "again"
        assert said == ["elsewhere", "together", "after", "fails", "again"]
        assert list(tmp_path.rglob("*")) == [tmp_path / "new"]
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def test_where_nothing_can_be_locked_a_run_goes_on(tmp_path, monkeypatch):
    def refuses(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", refuses)
    assert alone(lambda output: output)(tmp_path / "a" / "run") == tmp_path / "a" / "run"
    assert list(tmp_path.iterdir()) == []


def test_the_functions_that_write_for_long_refuse_an_output_that_another_writes_to(tmp_path):
    """Before anything is read: the sources do not exist."""
    lock = FileLock(tmp_path / ".run.lock")
    for_file = FileLock(tmp_path / ".mined.jsonl.lock")
    run, pairs = tmp_path / "run", rows_of([Example("a", ("b",)), Example("c", ("d",))])
    with lock, for_file:
        for start in (
            lambda: fit("nowhere", run),
            lambda: pretrain("nowhere", output=run),
            lambda: fit_reranker("nowhere", run),
            lambda: compare("nowhere", ["simcse", "consert"], run),
            lambda: mine_to(tmp_path / "mined.jsonl", pairs, {"BM25": None}),
        ):
            with pytest.raises(InputError, match="another run is writing there"):
                start()
