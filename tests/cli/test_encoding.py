from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from counterpoint.cli.items import documents_of, load_for
from counterpoint.cli.main import app
from counterpoint.encoders import ImageEncoder, StaticEncoder, load
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


def test_every_part_of_a_folder_of_pictures_is_encoded_and_indexed(here):
    encoder = ImageEncoder(3, widths=(8,))
    encoder.save("pictures")
    names = [f"train/{colour}/{n}.png" for colour in ("red", "tan") for n in range(2)]
    names += ["test/red/0.png", "test/tan/0.png"]
    for shade, name in enumerate(names):
        file = here / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * shade, np.uint8)).save(file)
    assert "z.npy: 6 vectors" in run("source", "-o", "z.npy", "--model", "pictures").output.replace("\n", " ")
    documents, z = documents_of(load_for(encoder, "source"), encoder)
    assert documents.ids == names
    assert documents.columns["label"] == ["red", "red", "tan", "tan", "red", "tan"]
    np.testing.assert_allclose(z, np.load("z.npy"), atol=1e-6)
    for option in (("--workers", 2), ("--dtype", "bfloat16")):
        with pytest.raises(InputError, match=f"{option[0]} is for models of texts alone"):
            run("source", "-o", "w.npy", "--model", "pictures", *option)


def test_a_picture_in_two_rows_has_one_label(here):
    encoder = ImageEncoder(3, widths=(8,))
    (here / "source").mkdir()
    for shade, name in enumerate("ab"):
        Image.fromarray(np.full((8, 8, 3), 90 * shade, np.uint8)).save(here / "source" / f"{name}.png")
    rows = ["image\tlabel", "a.png\tred", "b.png\ttan", "a.png\tred"]
    (here / "source" / "metadata.tsv").write_text("\n".join(rows) + "\n")
    documents, z = documents_of(load_for(encoder, "source"), encoder)
    assert (documents.ids, documents.columns) == (["a.png", "b.png"], {"label": ["red", "tan"]})
    assert len(z) == 2
