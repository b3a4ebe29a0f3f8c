"""`counterpoint evaluate`: figures, and what is to be said of them, under the table."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import StaticEncoder

CORPUS = {"d1": "a red car", "d2": "a blue boat", "q3": "a green lamp"}
QUERIES = {"q1": "red", "q2": "blue", "q3": "a green lamp", "q4": "grey"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels").mkdir()
    for name, texts in (("corpus", CORPUS), ("queries", QUERIES)):
        rows = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    (tmp_path / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t0\nq3\td1\t1\n")
    StaticEncoder.from_corpus([*CORPUS.values(), *QUERIES.values()], dim=8).save(tmp_path / "model")
    return tmp_path


def test_notes_stand_under_the_table(folder):
    shown = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder)])
    assert shown.exit_code == 0
    assert "3 documents, 4 queries" in shown.stderr
    notes = [line for line in shown.stdout.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: queries left out, as they are not judged: 1",
        "note: queries left out, as no document is relevant: 1",
        "note: queries that are documents of the corpus, each left out of its own results: 1",
    ]
    assert shown.stdout.index("mrr@10") < shown.stdout.index("note: ")
    as_json = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder), "--json"])
    assert [f"note: {note}" for note in json.loads(as_json.stdout)[0]["notes"]] == notes
