"""`counterpoint distill`, and `fit` from what it made."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import distill, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.fitting import fit

ROWS = [(f"the {c} {n}", f"{c} {n} here") for c in ("red", "blue", "pink") for n in range(40)]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "model"
    small_transformer([text for row in ROWS for text in row], layers=1, width=16, vocab_size=80).save(folder)
    return folder


@pytest.fixture
def pairs(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("query\tdocument\n" + "".join(f"{a}\t{b}\n" for a, b in ROWS))
    return file


def run(*arguments):
    return CliRunner().invoke(app, ["distill", *map(str, arguments)])


def test_the_folder_is_the_model(teacher, pairs, tmp_path):
    done = run(teacher, "--output", tmp_path / "small", "--texts", pairs, "--dim", 8, "--vocabulary", 3)
    assert done.exit_code == 0, done.output
    made = load(tmp_path / "small")
    assert f"{len(made.embedding.weight):,} tokens of 8 dimensions" in done.output
    texts = [text for row in ROWS for text in row]
    expected = distill(load(teacher), texts, dim=8, vocabulary=3)
    np.testing.assert_allclose(made.encode(texts), expected.encode(texts), atol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs.tsv", "small"]


def test_it_is_a_base_for_fit(teacher, pairs, tmp_path):
    run(teacher, "--output", tmp_path / "small", "--dim", 8)
    result = fit(pairs, tmp_path / "run", base=str(tmp_path / "small"), epochs=1, say=lambda _: None)
    assert result.encoder.dim == 8
    start = next(m for m in result.measured if m.name == "untrained").figures
    assert load(tmp_path / "run" / "model").tokenizer.to_str() == load(tmp_path / "small").tokenizer.to_str()
    assert 0 < start["mrr@10"].value <= 1


def test_an_output_that_is_something_else_is_refused_before_any_work(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    done = run("no/such/model", "--output", tmp_path / "notes")
    assert isinstance(done.exception, InputError)
    assert "holds something else (mine.txt)" in str(done.exception)


def test_a_static_model_is_refused(teacher, tmp_path):
    run(teacher, "--output", tmp_path / "small", "--dim", 8)
    again = run(tmp_path / "small", "--output", tmp_path / "smaller", "--dim", 4)
    assert "a StaticEncoder cannot be distilled" in str(again.exception)
    assert not (tmp_path / "smaller").exists()
