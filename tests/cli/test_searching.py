"""`index` and `search` at the command line: what goes in by id and column comes back by id and column."""

from __future__ import annotations

import contextlib
import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data.items import Items
from counterpoint.encoders import SpladeEncoder, StaticEncoder, load
from counterpoint.errors import InputError
from counterpoint.search import Index, sparse_search

ROWS = [
    {"_id": "A-1", "title": "Aardvark care", "text": "feed it ants every day", "lang": "en", "year": 1990},
    {"_id": "B-2", "title": "", "text": "paint the boat every spring", "lang": "en", "year": 2001},
    {"_id": "C-3", "title": "Bootspflege", "text": "das Boot streichen", "lang": "de", "year": 2010},
]
TEXTS = [f"{row['title']} {row['text']}".strip() for row in ROWS]


@dataclass
class Done:
    stdout: str
    stderr: str


def counterpoint(*arguments, cwd, refused=False) -> Done:
    """The command in this process; that an error becomes exit code 2 is tested with all commands."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "80"})
    if refused:
        assert isinstance(done.exception, InputError)
        return Done(done.stdout, str(done.exception))
    if done.exception is not None:
        raise done.exception
    return Done(done.stdout, done.stderr)


def last(done):
    return done.stdout.splitlines()[-1]  # below the progress of encoding


def found(*arguments, cwd):
    done = counterpoint("search", *arguments, "--json", cwd=cwd)
    return [json.loads(line)["hits"] for line in done.stdout.splitlines()]


def write(folder: Path, name: str, rows) -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    StaticEncoder.from_corpus(TEXTS, dim=16).save(folder / "models" / "m")
    StaticEncoder.from_corpus(TEXTS, dim=16, seed=1).save(folder / "models" / "other")
    write(folder, "corpus.jsonl", ROWS)
    done = counterpoint("index", "corpus.jsonl", "--model", "models/m", "--output", "runs/index", cwd=folder)
    assert last(done).startswith("runs/index: 3 documents; float32 vectors of 16 dimensions, 192 bytes; BM25: ")
    assert "read 3 documents from corpus.jsonl: id = '_id', title = 'title', text = 'text'; kept: 'lang', 'year'" in (
        done.stderr
    )
    return folder


def test_ids_titles_and_columns_come_back(place):
    (hits,) = found("runs/index", "boat", cwd=place)
    assert hits[0] == {
        "id": "B-2",
        "score": pytest.approx(hits[0]["score"]),
        "text": "paint the boat every spring",
        "columns": {"lang": "en", "year": 2001},
    }
    assert {hit["id"]: hit["text"] for hit in hits}["A-1"] == "Aardvark care feed it ants every day"


def test_filters(place):
    for mode in ("dense", "hybrid"):
        (hits,) = found("runs/index", "boat", "--mode", mode, "--where", "lang = en", "--where", "year<2000", cwd=place)
        assert [hit["id"] for hit in hits] == ["A-1"]
    done = counterpoint("search", "runs/index", "boat", "--where", "langue = en", cwd=place, refused=True)
    assert "there is no column 'langue'; the columns are lang, year." in done.stderr
    done = counterpoint("search", "runs/index", "boat", "--where", "year = soon", cwd=place, refused=True)
    assert "the column year holds numbers, and 'soon' is not that" in done.stderr
    assert "nothing found" in counterpoint("search", "runs/index", "boat", "--where", "lang = fr", cwd=place).stdout


def test_hits_fit_in_80_columns(place, tmp_path):
    rows = [
        {"id": "long", "text": "boat " * 400, "note": "n" * 300, "x": 1},
        {"id": "wide", "text": "boat " + "船を塗る" * 100, "note": "", "x": 2},
    ]
    write(tmp_path, "a.jsonl", rows)
    counterpoint("index", "a.jsonl", "--model", place / "models" / "m", "--output", "i", cwd=tmp_path)
    lines = counterpoint("search", "i", "boat", cwd=tmp_path).stdout.splitlines()
    widths = [sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in lines]
    assert max(widths) <= 80
    assert len(lines) <= 12
    assert any(line.startswith("  1  0.") for line in lines)
    assert any("x=2" in line for line in lines)


def test_add_replace_and_delete(place, tmp_path):
    counterpoint("index", place / "corpus.jsonl", "-m", place / "models" / "m", "-o", "i", cwd=tmp_path)
    more = [
        ROWS[1] | {"text": "the violin"},
        {"_id": "D-4", "title": "", "text": "a new violin", "lang": "fr", "new": True},
    ]
    write(tmp_path, "more.jsonl", more)
    done = counterpoint("index", "more.jsonl", "--add", "-o", "i", cwd=tmp_path)
    assert last(done) == "i: 1 added, 1 replaced, 4 documents in all"
    (hits,) = found("i", "violin", cwd=tmp_path)
    assert [hit["id"] for hit in hits[:2]] == ["B-2", "D-4"]
    assert hits[1]["columns"] == {"lang": "fr", "new": True}
    done = counterpoint("index", "--delete", "A-1", "--delete", "Z", "-o", "i", cwd=tmp_path)
    assert last(done) == "i: 1 document taken out, 3 left; not in the index: Z"
    (tmp_path / "ids.txt").write_text("B-2\nD-4\n")
    done = counterpoint("index", "--delete-from", "ids.txt", "-o", "i", cwd=tmp_path)
    assert last(done) == "i: 2 documents taken out, 1 left"
    assert [hit["id"] for hit in found("i", "violin", cwd=tmp_path)[0]] == ["C-3"]


def test_ids_of_a_file_with_a_byte_order_mark(place, tmp_path):
    (tmp_path / "ids.txt").write_text("A-1\r\nC-3\r\n", encoding="utf-8-sig")
    counterpoint("index", place / "corpus.jsonl", "-m", place / "models" / "m", "-o", "i", cwd=tmp_path)
    done = counterpoint("index", "--delete-from", "ids.txt", "-o", "i", cwd=tmp_path)
    assert last(done) == "i: 2 documents taken out, 1 left"


def test_what_the_model_does_not_know_is_said(place, tmp_path):
    (tmp_path / "a.txt").write_text("это не по-английски\nfeed the boat\n")
    done = counterpoint("index", "a.txt", "-m", place / "models" / "m", "-o", "i", cwd=tmp_path)
    assert "of the texts' tokens are unknown to this model's tokenizer" in done.stderr


@pytest.mark.parametrize("umask", [0o002, 0o077])
def test_the_umask_says_who_may_write(place, tmp_path, umask):
    before = os.umask(umask)
    try:
        counterpoint("index", place / "corpus.jsonl", "-m", place / "models" / "m", "-o", "i", cwd=tmp_path)
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "i").rglob("*") if path.is_file()]
    assert any(path.name == "documents.db" for path in files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask}


def test_added_documents_without_ids_replace_none(place, tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text(f"first {number}\nsecond {number}\n")
    counterpoint("index", "0.txt", "-m", place / "models" / "m", "-o", "i", cwd=tmp_path)
    done = counterpoint("index", "1.txt", "--add", "-o", "i", cwd=tmp_path)
    assert last(done) == "i: 2 added, 0 replaced, 4 documents in all"
    assert "they are d2 to d3" in done.stderr


def test_more_dimensions_than_the_model_has_are_refused_before_reading(place, tmp_path):
    model = place / "models" / "m"
    done = counterpoint("index", "none.jsonl", "-m", model, "-o", "i", "--dim", 17, cwd=tmp_path, refused=True)
    assert "cannot truncate to 17 dimensions, the model has 16; give 1 to 16." in done.stderr


def test_another_model_of_the_same_width_is_refused(place, tmp_path):
    for arguments in (
        ("search", place / "runs" / "index", "boat", "--model", place / "models" / "other"),
        ("index", place / "corpus.jsonl", "--add", "-o", place / "runs" / "index", "-m", place / "models" / "other"),
    ):
        done = counterpoint(*arguments, cwd=tmp_path, refused=True)
        assert "this is not the model that made the index" in done.stderr
        assert "../../models/m" in done.stderr


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_precision_dimensions_and_prompt_are_those_of_the_index(place, tmp_path, precision):
    encoder, model = load(place / "models" / "m"), tmp_path / "m"
    encoder.prompts = {}
    encoder.save(model)
    more = ["--precision", precision, "--dim", 8, "--prompt", "boat "]
    done = counterpoint("index", place / "corpus.jsonl", "-m", model, "-o", "i", *more, cwd=tmp_path)
    size = {"float32": 96, "int8": 24, "binary": 27}[precision]
    assert f"i: 3 documents; {precision} vectors of 8 dimensions, {size} bytes; BM25: " in last(done)
    write(tmp_path, "more.jsonl", [{"_id": "D-4", "title": "", "text": "feed the boat"}])
    counterpoint("index", "more.jsonl", "--add", "-o", "i", cwd=tmp_path)
    texts = dict(zip(["A-1", "B-2", "C-3", "D-4"], [*TEXTS, "feed the boat"], strict=True))

    def cosines(query, prompt):
        vectors = encoder.encode([f"boat {text}" for text in texts.values()], prompt="", truncate_dim=8)
        (asked,) = encoder.encode([prompt + query], prompt="", truncate_dim=8)
        return dict(zip(texts, vectors @ asked, strict=True))

    with Index.open(tmp_path / "i") as index:
        assert index.precision == precision
    for options, prompt in (((), "boat "), (("--prompt", "ants "), "ants "), (("--prompt", ""), "")):
        done = counterpoint("search", "i", "feed", "--mode", "dense", "--json", *options, cwd=tmp_path)
        (hits,) = [json.loads(line)["hits"] for line in done.stdout.splitlines()]
        assert {h["id"]: h["score"] for h in hits} == pytest.approx(cosines("feed", prompt), abs=0.03)
        assert ("'boat ' stands before every query, as before the documents" in done.stderr) == (not options)


def test_a_query_prompt_of_the_model_stays_that_of_queries(place, tmp_path):
    encoder = load(place / "models" / "m")
    encoder.prompts = {"query": "ants ", "document": "spring "}
    encoder.save(tmp_path / "m")
    counterpoint("index", place / "corpus.jsonl", "-m", "m", "-o", "i", "--prompt", "boat ", cwd=tmp_path)
    done = counterpoint("search", "i", "feed", "--mode", "dense", "--json", cwd=tmp_path)
    hits = json.loads(done.stdout)["hits"]
    vectors = encoder.encode([f"boat {text}" for text in TEXTS], prompt="")
    expected = vectors @ encoder.encode(["ants feed"], prompt="")[0]
    assert {h["id"]: h["score"] for h in hits} == pytest.approx(
        dict(zip(["A-1", "B-2", "C-3"], expected, strict=True)), abs=1e-5
    )
    assert "stands before" not in done.stderr


def test_what_the_ranges_do_not_fit_is_said(place, tmp_path):
    write(tmp_path, "one.jsonl", ROWS[:1])
    model = place / "models" / "m"
    counterpoint("index", "one.jsonl", "-m", model, "-o", "i", "--precision", "int8", cwd=tmp_path)
    done = counterpoint("index", place / "corpus.jsonl", "--add", "-o", "i", cwd=tmp_path)
    assert "note: " in done.stderr
    assert "lie outside the ranges of the index's int8 codes" in done.stderr
    assert last(done) == "i: 2 added, 1 replaced, 3 documents in all"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "corpus.jsonl", "--precision", "int4"], "unknown precision 'int4'; choose float32, int8, binary"),
        (["index", "corpus.jsonl", "--precision", "int8", "--uri", "http://x:1"], "a Milvus cluster holds float32"),
        (["index", "corpus.jsonl", "--precision", "int8", "--approximate"], "an approximate index is of float32"),
        (["index", "corpus.jsonl", "--add", "--dim", "8", "-o", "runs/index"], "--dim and --precision are said when"),
        (["index", "corpus.jsonl", "-o", "foreign"], "foreign: holds something else (thesis.txt); choose another"),
        (["index", "corpus.jsonl", "-o", "corpus.jsonl"], "is a file"),
        (["index", "corpus.jsonl", "-o", "corpus.jsonl/index"], "corpus.jsonl is a file"),
        (["index", "corpus.jsonl", "--add", "-o", "foreign"], "foreign: there is no index"),
        (["index", "--delete", "a", "-o", "nowhere"], "nowhere: there is no index"),
        (["index"], "there is nothing to index"),
        (["index", "--add"], "there is nothing to index"),
        (["index", "corpus.jsonl", "--delete", "a", "-o", "runs/index"], "documents and --delete"),
        (["index", "--delete-from", "none.txt", "-o", "runs/index"], "none.txt: the ids cannot be read"),
        (["index", "corpus.jsonl", "--add", "--language", "german", "-o", "runs/index"], "--language"),
        (["search", "foreign", "boat"], "foreign: there is no index; make one with: counterpoint index"),
        (["search", "corpus.jsonl", "boat"], "corpus.jsonl: there is no index"),
        (["search", "runs/index", ""], "a query is empty; give words"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(place, arguments, message):
    (place / "foreign").mkdir(exist_ok=True)
    (place / "foreign" / "thesis.txt").write_text("years of work")
    # a model that is not there shows that nothing was loaded first
    more = ["-m", "no/such/model"] if arguments[0] == "index" else []
    done = counterpoint(*arguments, *more, cwd=place, refused=True)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (place / "foreign" / "thesis.txt").read_text() == "years of work"
    assert found("runs/index", "boat", cwd=place)[0][0]["id"] == "B-2"


def test_a_run_without_an_index_says_how_to_make_one(tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    said = counterpoint("search", "run", "boat", cwd=tmp_path, refused=True).stderr
    assert "this run has no index" in said
    assert "counterpoint index DOCUMENTS --model run/model --output run/index" in said


def test_index_says_that_the_model_does_not_know_the_language(tmp_path):
    StaticEncoder.from_corpus(TEXTS, dim=8).save(tmp_path / "model")
    rows = "".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(["дом стоит", "лодка"]))
    (tmp_path / "corpus.jsonl").write_text(rows)
    done = counterpoint("index", "corpus.jsonl", "--model", "model", "-o", "index", "--approximate", cwd=tmp_path)
    assert "of the texts' tokens are unknown to this model's tokenizer" in done.stderr
    assert "exact all the same" in done.stdout


@pytest.mark.parametrize("kind", ["inner product", "weights of the vocabulary"])
def test_vectors_are_compared_as_the_model_says(tmp_path, kind):
    table = StaticEncoder.from_corpus(TEXTS, dim=64)
    if kind == "inner product":
        table.similarity, table.normalize = "dot", False
    encoder = SpladeEncoder(table, bias=-0.2) if kind != "inner product" else table
    encoder.save(tmp_path / "m")
    file = write(tmp_path, "corpus.jsonl", ROWS)
    done = counterpoint("index", "none", "-m", "m", "-o", "i", "--precision", "binary", cwd=tmp_path, refused=True)
    assert "bits say nothing of lengths, which dot depends on" in done.stderr
    said = counterpoint("index", file, "-m", "m", "-o", "i", cwd=tmp_path).stdout
    assert ("without their zeros" in said) == (kind != "inner product")
    counterpoint("index", write(tmp_path, "one.jsonl", ROWS[:1]), "--add", "-o", "i", cwd=tmp_path)
    with Index.open(tmp_path / "i") as index:
        assert (index.metric, index.sparse, len(index)) == ("dot", kind != "inner product", 3)
    if kind == "inner product":
        scores = encoder.encode(TEXTS, kind="document") @ encoder.encode(["paint the boat"], kind="query")[0]
    else:
        sides = (("query", ["paint the boat"]), ("document", TEXTS))
        one, every = (encoder.encode_sparse(Items("text", texts), kind=side) for side, texts in sides)
        (ids,), (best,) = sparse_search(one, every, 3)
        scores = np.zeros(3)
        scores[ids[ids >= 0]] = best[ids >= 0]
    (hits,) = found("i", "paint the boat", "--mode", "dense", cwd=tmp_path)
    assert {hit["id"]: hit["score"] for hit in hits} == pytest.approx(
        {row["_id"]: score for row, score in zip(ROWS, scores.tolist(), strict=True)}, abs=1e-5
    )
    assert hits[0]["id"] == "B-2"
    assert hits[0]["score"] != pytest.approx(1, abs=0.2), "as a cosine might be"


def test_hybrid_search_fuses_by_scores_when_asked_to(tmp_path):
    encoder = StaticEncoder.from_corpus(TEXTS, dim=16)
    encoder.save(tmp_path / "m")
    counterpoint("index", write(tmp_path, "c.jsonl", ROWS), "-m", "m", "-o", "i", cwd=tmp_path)
    (hits,) = found("i", "paint the boat", "--fusion", "scores", cwd=tmp_path)
    with Index.open(tmp_path / "i") as index:
        z = encoder.encode(["paint the boat"], kind="query")
        (known,) = index.hybrid(["paint the boat"], z, 5, by="scores")
    assert [(hit["id"], hit["score"]) for hit in hits] == [(hit.id, pytest.approx(hit.score)) for hit in known]
    assert hits[0]["score"] == pytest.approx(2)
    for options, said in (
        (("--fusion", "rank"), "no fusion by 'rank'; choose ranks or scores"),
        (("--fusion", "scores", "--mode", "dense"), "--mode dense, which fuses nothing"),
    ):
        assert said in counterpoint("search", "i", "boat", *options, cwd=tmp_path, refused=True).stderr


def test_of_a_distance_that_no_index_knows_the_cosine_is_taken_and_said(tmp_path):
    table = StaticEncoder.from_corpus(TEXTS, dim=8)
    table.similarity = "manhattan"
    table.save(tmp_path / "m")
    done = counterpoint("index", write(tmp_path, "c.jsonl", ROWS), "-m", "m", "-o", "i", cwd=tmp_path)
    assert "compares by the manhattan distance" in done.stderr
    with Index.open(tmp_path / "i") as index:
        assert index.metric == "cosine"
