from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import StaticEncoder, load
from counterpoint.errors import InputError
from counterpoint.precision import Ranges, pack_bits

TEXTS = [f"text {n} of a few words that are not many" for n in range(40)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    StaticEncoder.from_corpus(TEXTS, dim=16).save("model")
    return tmp_path


def run(*arguments, stdin=None):
    done = CliRunner().invoke(app, ["encode", *map(str, arguments)], input=stdin)
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def test_precision_dimensions_and_prompt(here):
    more = ("--model", "model", "--dim", 10, "--kind", "document", "--prompt", "words ")
    said = run("a.txt", "-o", "d.npy", "--precision", "int8", *more).output
    assert "d.npy: 40 vectors of 10 dimensions, int8, 400 bytes" in said
    assert "d.npy.ranges.json: the range of each dimension" in said
    said = run("-", "-o", "q.npy", "--precision", "int8", "--ranges", "d.npy.ranges.json", *more, stdin="few\nmany\n")
    assert "q.npy: 2 vectors" in said.output
    assert "b.npy: 40 vectors of 10 dimensions, binary, 80 bytes" in run(
        "a.txt", "-o", "b.npy", "--precision", "binary", *more
    ).output.replace("\n", " ")
    assert "z.npy: 40 vectors of 10 dimensions, float32, 1,600 bytes" in run("a.txt", "-o", "z.npy", *more).output
    encoder, ranges = load("model"), Ranges.load("d.npy.ranges.json")
    z = encoder.encode([f"words {text}" for text in TEXTS], prompt="", truncate_dim=10)
    np.testing.assert_array_equal(np.load("z.npy"), z)
    np.testing.assert_array_equal(np.load("d.npy"), ranges.quantize(z))
    np.testing.assert_array_equal(np.load("b.npy"), pack_bits(z))
    queries = encoder.encode(["words few", "words many"], prompt="", truncate_dim=10)
    np.testing.assert_array_equal(np.load("q.npy"), ranges.quantize(queries))


def test_what_was_read_is_said(here):
    (here / "c.jsonl").write_text(
        '{"_id": "7", "title": "a few", "text": "words"}\nnothing\n{"_id": "8", "text": "x"}\n'
    )
    done = run("c.jsonl", "-o", "z.npy", "--model", "model", "--skip-bad")
    assert "read 2 documents from c.jsonl: id = '_id', title = 'title', text = 'text'; 1 row left out" in done.output
    assert "z.npy.rows.jsonl: the row of the source that each belongs to" in done.output


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--precision", "int4"), "unknown precision 'int4'; choose float32, int8, binary"),
        (("--dim", 0), "cannot truncate to 0 dimensions, the model has 16; give 1 to 16"),
        (("--dim", 17), "cannot truncate to 17 dimensions"),
        (("--ranges", "r.json"), "ranges are for int8, not for float32"),
        (("--precision", "int8", "--ranges", "r.json", "--dim", 8), "for 16 dimensions, not 8"),
        (("--precision", "int8", "--ranges", "a.txt"), "a.txt: holds no ranges"),
        (("--precision", "int8", "--ranges", "nix"), "nix: cannot be read"),
        (("--precision", "int8", "--ranges", "other.json"), "of another model"),
    ],
)
def test_refused_before_anything_is_read_or_written(here, options, why):
    Ranges(np.zeros(16), np.ones(16)).save("r.json")
    Ranges(np.zeros(16), np.ones(16), model="another").save("other.json")
    before = sorted(here.iterdir())
    with pytest.raises(InputError, match=why):
        run("a.txt", "-o", "z.npy", "--model", "model", *options)
    with pytest.raises(InputError, match=why):
        run("not there", "-o", "z.npy", "--model", "model", *options)
    assert sorted(here.iterdir()) == before
