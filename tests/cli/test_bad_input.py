"""Bad input at the command line: one sentence, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PAIRS = "query\tdocument\n" + "".join(f"the {c} {n}\t{c} {n} here\n" for c in ("red", "blue") for n in range(15))


def counterpoint(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "counterpoint", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        **more,
    )


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return name


def beir(folder: Path, corpus: str, qrels: str) -> str:
    write(folder, "beir/corpus.jsonl", corpus)
    write(folder, "beir/queries.jsonl", '{"_id": "q1", "text": "a"}\n{"_id": "q2", "text": "b"}\n')
    write(folder, "beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\n" + qrels)
    return "beir"


DOCS = '{"_id": "d1", "text": "x"}\n{"_id": "d2", "text": "y"}\n'
FIT = {
    "absent file": (lambda f: "nowhere.tsv", "nowhere.tsv: "),
    "empty file": (lambda f: write(f, "a.tsv", ""), "a.tsv: "),
    "one row": (lambda f: write(f, "a.tsv", "query\tdocument\na\tb\n"), "a.tsv: "),
    "missing column": (lambda f: (write(f, "a.tsv", PAIRS), "--column", "anchor=title"), "'title'"),
    "empty text": (lambda f: write(f, "a.tsv", PAIRS + "\tx\n"), "a.tsv:32: "),
    "wrong type": (
        lambda f: write(f, "a.jsonl", '{"query": "a", "document": "b"}\n{"query": 3, "document": "c"}\n'),
        "a.jsonl:2: ",
    ),
    "broken JSON": (lambda f: write(f, "a.jsonl", '{"query": "a", "document": "b"}\n{"query": \n'), "a.jsonl:2: "),
    "NaN score": (lambda f: write(f, "a.tsv", "score\ta\tb\n1.0\tx\ty\nnan\tz\tw\n2.0\tv\tu\n"), "a.tsv:3: "),
    "duplicate ids": (lambda f: beir(f, DOCS + '{"_id": "d1", "text": "z"}\n', "q1\td1\t1\n"), "corpus.jsonl:3: "),
    "unknown document": (lambda f: beir(f, DOCS, "q1\td1\t1\nq2\td9\t1\n"), "test.tsv:3: "),
    "ragged row": (lambda f: write(f, "a.tsv", PAIRS + "only one field\n"), "a.tsv:32: "),
    "unknown model": (lambda f: (write(f, "a.tsv", PAIRS), "--base", "no/such-model"), "no/such-model"),
    "unknown schema": (lambda f: (write(f, "a.tsv", PAIRS), "--schema", "pears"), "pears"),
}


@pytest.mark.parametrize("name", FIT)
def test_fit(name, tmp_path):
    make, where = FIT[name]
    arguments = make(tmp_path)
    arguments = (arguments,) if isinstance(arguments, str) else arguments
    more = () if "--base" in arguments else ("--base", "static")
    done = counterpoint("fit", *arguments, *more, "--output", "out", cwd=tmp_path, timeout=120)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert where in errors[0]
    assert "; " in errors[0], "a way out"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "model").exists()
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write(folder, "pairs.tsv", PAIRS)
    done = counterpoint(
        "fit", "pairs.tsv", "--base", "static", "--epochs", 1, "--index", "--output", "run", cwd=folder, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_truncated_model(trained, tmp_path):
    import shutil

    shutil.copytree(trained / "run" / "model", tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    write(tmp_path, "a.txt", "one\ntwo\n")
    done = counterpoint("encode", "a.txt", "--model", "model", "--output", "z.npy", cwd=tmp_path)
    assert done.returncode == 2
    assert "model.safetensors" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "model"]


def test_model_of_another_dimension(trained, tmp_path):
    from counterpoint.encoders import StaticEncoder

    StaticEncoder.from_corpus(["a few words", "and more"], dim=8).save(tmp_path / "small")
    done = counterpoint("search", trained / "run", "red", "--model", tmp_path / "small", cwd=tmp_path)
    assert done.returncode == 2
    assert "8" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk(trained, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], check=False).returncode:
        pytest.skip("cannot mount here")
    try:
        write(tmp_path, "a.txt", "".join(f"text {n}\n" for n in range(2000)))
        done = counterpoint(
            "encode", "a.txt", "--model", trained / "run" / "model", "--output", small / "z.npy", cwd=tmp_path
        )
        assert done.returncode == 2, done.stderr
        assert "no space left" in done.stderr.lower()
        assert "Traceback" not in done.stderr
        assert not (small / "z.npy").exists()
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_another_model_left_can_be_started_over(trained, tmp_path):
    write(tmp_path, "a.txt", "one\ntwo\n")
    (tmp_path / ".z.npy.part").write_bytes(b"")
    (tmp_path / ".z.npy.json").write_text('{"fingerprint": "other", "rows": 1, "texts": ""}')
    arguments = ("encode", "a.txt", "--model", trained / "run" / "model", "--output", "z.npy")
    done = counterpoint(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "--no-resume" in done.stderr
    assert counterpoint(*arguments, "--no-resume", cwd=tmp_path).returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "z.npy"]


def test_split_of_a_beir_folder(tmp_path):
    beir(tmp_path, DOCS, "q1\td1\t1\nq2\td2\t1\n")
    from counterpoint.encoders import StaticEncoder

    StaticEncoder.from_corpus(["a few words", "and more"], dim=8).save(tmp_path / "model")
    done = counterpoint("evaluate", "model", "beir", "--split", "dev", cwd=tmp_path)
    assert done.returncode == 2
    assert "dev" in done.stderr
    assert counterpoint("evaluate", "model", "beir", "--split", "test", cwd=tmp_path).returncode == 0


def test_skip_bad(trained, tmp_path):
    """What the commands say of rows that are left out, and where they are listed."""
    write(tmp_path, "a.tsv", "query\tdocument\n\tx\nonly one field\n" + PAIRS.partition("\n")[2])
    model = trained / "run" / "model"
    commands = {
        ("fit", "a.tsv", "--base", "static", "--epochs", 1, "--output", "out"): "out/rejected.jsonl",
        ("encode", "a.tsv", "--model", model, "--output", "z.npy"): "z.npy.rejected.jsonl",
        ("index", "a.tsv", "--model", model, "--output", "index"): "index.rejected.jsonl",
        ("evaluate", model, "a.tsv"): "a.tsv.rejected.jsonl",
    }
    for command, listed in commands.items():
        done = counterpoint(*command, "--skip-bad", cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr
        assert f"; 2 rows left out, listed with the reasons in {listed}" in (done.stdout + done.stderr).replace(
            "\n", ""
        )
        lines = (tmp_path / listed).read_text().splitlines()
        assert len(lines) == 2
        assert '"line": 2' in lines[0]
    rows = [json.loads(line) for line in (tmp_path / "z.npy.rows.jsonl").read_text().splitlines()]
    assert rows == [{"row": i, "line": i + 4} for i in range(30)]
    about = json.loads((tmp_path / "out" / "run.json").read_text())["content"]["data"]
    assert (about["rejected"], about["rejected_file"]) == (2, "out/rejected.jsonl")


def test_a_corpus_is_found_by_its_own_ids_and_titles(trained, tmp_path):
    rows = [
        {"_id": "L1", "title": "Aardvark", "text": "feed it ants"},
        {"_id": 7, "title": "", "text": "paint the boat"},
    ]
    write(tmp_path, "corpus.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    model = trained / "run" / "model"
    done = counterpoint("index", "corpus.jsonl", "--model", model, "--output", "index", cwd=tmp_path)
    said = "read 2 documents from corpus.jsonl: id = '_id', title = 'title', text = 'text'"
    assert said in done.stdout + done.stderr
    found = counterpoint("search", "index", "aardvark", "boat", "--json", cwd=tmp_path)
    hits = [json.loads(line)["hits"][0] for line in found.stdout.splitlines()]
    assert [(hit["id"], hit["text"]) for hit in hits] == [("L1", "Aardvark feed it ants"), ("7", "paint the boat")]


def test_round_trip(trained):
    found = counterpoint("search", "run", "pink 3", "red 4", "--json", cwd=trained)
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == 2
    measured = counterpoint("evaluate", "run/model", "pairs.tsv", "--json", cwd=trained)
    assert measured.returncode == 0, measured.stderr
    assert "mrr@10" in measured.stdout
    again = counterpoint("fit", "pairs.tsv", "--base", "static", "--output", "run", cwd=trained)
    assert again.returncode == 2
    assert "finished" in again.stderr


def test_help_has_an_example_everywhere(tmp_path):
    commands = ["fit", "encode", "index", "search", "evaluate", "compare", "report", "systems", "run", "verify", "demo"]
    for command in commands:
        text = counterpoint(command, "--help", cwd=tmp_path).stdout
        assert f"Example: counterpoint {command}" in text
