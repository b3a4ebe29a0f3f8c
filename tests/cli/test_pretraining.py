"""`counterpoint first-layers`: what is no transformer, and how the first layers are pooled."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import StaticEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError


def run(*arguments):
    return CliRunner().invoke(app, ["first-layers", *map(str, arguments)])


def test_a_table_of_vectors_has_no_layers(tmp_path):
    StaticEncoder.from_corpus(["a cat sleeps"], dim=8).save(tmp_path / "table")
    done = run(tmp_path / "table", "--output", tmp_path / "first")
    assert isinstance(done.exception, InputError), done.exception
    assert "table is no transformer" in str(done.exception)
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_pooling_is_what_was_asked_for(tmp_path, pooling):
    small_transformer(["a cat sleeps"], layers=2, width=8, heads=2).save(tmp_path / "model")
    done = run(tmp_path / "model", "--layers", 1, "--pooling", pooling, "--output", tmp_path / "first")
    assert done.exit_code == 0, done.output
    few = load(tmp_path / "first")
    assert (few.pooling, few.model.config.num_hidden_layers) == (pooling, 1)


def test_an_unknown_pooling_is_said_first(tmp_path):
    done = run(tmp_path / "nowhere", "--pooling", "sum", "--output", tmp_path / "first")
    assert "unknown pooling 'sum'" in str(done.exception)
