"""Outputs that cannot be, at every command that writes: one sentence before any work, and nothing is touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from counterpoint.cli import main

PAIRS = "query\tdocument\n" + "".join(f"the {c} {n}\t{c} {n} here\n" for c in ("red", "blue") for n in range(15))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with data, a folder of something else, and a command line that stops where reading begins."""
    for name in ("beir/qrels", "notes", "model"):
        (tmp_path / name).mkdir(parents=True)
    for name, text in (
        ("a.tsv", PAIRS),
        ("a.txt", "one\ntwo\n"),
        ("notes/diary.txt", "dear"),
        ("beir/corpus.jsonl", ""),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for place in (
        "counterpoint.data.read",
        "counterpoint.fitting.run.load_parts",
        "counterpoint.fitting.bases.make_base",
    ):
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("work before the output was looked at"))
    return tmp_path


def said(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["counterpoint", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert error.count("\n") == 0
    return error


FOLDERS = {
    "fit": ["fit", "a.tsv", "--base", "static"],
    "compare": ["compare", "a.tsv", "simcse", "dpr"],
    "compare images": ["compare", "digits", "simclr", "dcl"],
    "run": ["run", "simclr"],
    "verify": ["verify", "simclr"],
    "demo": ["demo"],
}
WRONG = {
    "a file": ("a.txt", "is a file|cannot be made, .* is a file"),
    "in a file": ("a.txt/deep/run", "cannot be made, .*a.txt is a file"),
    "a name too long": ("n" * 300, "file name too long"),
    "something else": ("notes", r"holds something else \(diary.txt\)"),
}


# the last two write files of their own names into any folder
CASES = [(c, w) for c in FOLDERS for w in WRONG if w != "something else" or c not in ("verify", "demo")]


@pytest.mark.parametrize(("command", "wrong"), CASES)
def test_folders(here, monkeypatch, capsys, command, wrong):
    output, why = WRONG[wrong]
    before = sorted(here.rglob("*"))
    error = said(monkeypatch, capsys, *FOLDERS[command], "--output", output)
    assert output in error
    assert re.search(why, error), error
    assert "choose another output" in error
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["fit", "beir", "--output", "beir/run"], "beir/run: lies in the source folder"),
        (["fit", "beir", "--output", "beir"], "beir: "),
        (["compare", "beir", "simcse", "dpr", "--output", "beir/run"], "lies in the source folder"),
        (["encode", "beir", "--output", "beir/z.npy"], "lies in the source folder"),
        (["encode", "a.txt", "--output", "notes"], "notes: is a folder, and a file"),
        (["encode", "a.txt", "--output", "a.txt"], "a.txt: does not end in .npy; write a.txt.npy"),
        (["encode", "a.txt", "--output", "a.txt/z.npy"], "cannot be made, "),
        (["encode", "a.txt", "--output", "vectors"], "vectors: does not end in .npy; write vectors.npy"),
        (["report", "a.txt"], "a.txt: there is no finished run here"),
        (["report", "notes"], "notes: there is no finished run here"),
    ],
)
def test_others(here, monkeypatch, capsys, arguments, why):
    before = sorted(here.rglob("*"))
    assert why in said(monkeypatch, capsys, *arguments)
    assert sorted(here.rglob("*")) == before


def test_saving_a_model_does_not_replace_a_folder_of_something_else(tmp_path):
    from counterpoint import InputError
    from counterpoint.encoders import StaticEncoder

    encoder = StaticEncoder.from_corpus(["a few words"], dim=4)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear")
    with pytest.raises(InputError, match="holds something else"):
        encoder.save(tmp_path / "notes")
    assert (tmp_path / "notes" / "diary.txt").read_text() == "dear"
    for _ in range(2):
        encoder.save(tmp_path / "model")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be somebody else")
def test_what_may_not_be_read_or_written(tmp_path):
    for parent in (tmp_path, *tmp_path.parents):
        if parent.is_relative_to(tempfile.gettempdir()):
            parent.chmod(0o755)
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "secret.txt").write_text("one\n")
    (tmp_path / "secret.txt").chmod(0o600)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model").chmod(0o700)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)

    def error(*arguments):
        command = [*NOBODY, sys.executable, "-m", "counterpoint", *arguments]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"HOME": "/nonexistent"},
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    assert "cannot be written (permission denied)" in error("fit", "a.txt", "--base", "static", "--output", "run")
    assert "secret.txt: cannot be read" in error("encode", "secret.txt", "--output", "open/z.npy")
    error_of_model = error("encode", "a.txt", "--model", "model", "--output", "open/z.npy")
    assert (
        "model/config_sentence_transformers.json: permission denied; check the path and who may use it"
        in error_of_model
    )
    assert not list((tmp_path / "open").iterdir())
