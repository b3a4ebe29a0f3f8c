"""What encode and evaluate say beside their results: on standard error, so that results can be read by programs."""

from __future__ import annotations

import json
import sys

import pytest

from counterpoint.cli import main
from counterpoint.encoders.scratch import small_transformer

ROWS = [(f"where is {c} {n}", f"{c} {n} is here " + "and there " * (20 * (n < 3))) for c in "abc" for n in range(4)]
CUT = "note: {} are longer than the model's 16 tokens and are cut; take a model that reads more, or shorter passages"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tsv").write_text("query\tdocument\n" + "".join(f"{q}\t{d}\n" for q, d in ROWS))
    (tmp_path / "a.txt").write_text("".join(f"{d}\n" for _, d in ROWS) * 2)
    texts = [text for row in ROWS for text in row]
    small_transformer(texts, layers=1, width=8, heads=2, max_seq_length=16).save(tmp_path / "model")
    return tmp_path


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["counterpoint", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return capsys.readouterr()


def test_encode_says_what_is_cut(here, monkeypatch, capsys):
    said = run(monkeypatch, capsys, "encode", "a.txt", "--model", "model", "--output", "z.npy")
    assert CUT.format("18 of 24 texts") in said.err
    assert "longer than" not in said.out


def test_evaluate_says_what_is_cut(here, monkeypatch, capsys):
    said = run(monkeypatch, capsys, "evaluate", "model", "a.tsv", "--json")
    assert CUT.format("9 of 24 texts") in said.err
    assert json.loads(said.out)
