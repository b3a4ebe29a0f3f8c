"""`index` and `search` with a model of several vectors a text: ranked by MaxSim, with the options of any other."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.cli.serving import _opened
from counterpoint.data.items import Items
from counterpoint.encoders import KernelCrossEncoder, MultiVectorEncoder, SpanEncoder, StaticEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import late_interaction
from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.search import Index, maxsim

TEXTS = [
    "feed the aardvark ants every day",
    "paint the boat every spring",
    "rain falls on the roof of the boat house",
    "a red lamp for the desk",
]
ROWS = [{"_id": f"d{i}", "text": text, "even": i % 2 == 0} for i, text in enumerate(TEXTS)]


def counterpoint(*arguments, cwd, refused=False):
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [*map(str, arguments)])
    if refused:
        assert isinstance(done.exception, InputError), done.output
        return str(done.exception)
    if done.exception is not None:
        raise done.exception
    return done


def found(*arguments, cwd):
    done = counterpoint("search", *arguments, "--json", cwd=cwd)
    return [json.loads(line)["hits"] for line in done.stdout.splitlines()]


def write(folder, name, rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def expected(model, query, texts, **options):
    """Ids and scores of all, best first, by vectors that float16 holds."""
    encoder = load(model)
    if "prompt" in options:
        encoder.prompts, encoder.default_prompt_name = {"p": options["prompt"]}, "p"
    encoder.truncate_dim = options.get("dim")
    sides = [encoder.encode_each(Items("text", t), kind=kind) for t, kind in (([query], "query"), (texts, "document"))]
    held = Ragged(sides[1].vectors_td.astype(np.float16).astype(np.float32), sides[1].offsets_n)
    (ids,), (scores,) = maxsim(sides[0], held, len(texts))
    return ids.tolist(), scores.tolist()


def agrees(hits, wanted, ids):
    assert [hit["id"] for hit in hits] == [ids[i] for i in wanted[0]]
    np.testing.assert_allclose([hit["score"] for hit in hits], wanted[1], rtol=1e-5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    table = StaticEncoder.from_corpus(TEXTS, dim=32)
    late_interaction(table, size=8).save(folder / "model")
    table.save(folder / "table")
    write(folder, "corpus.jsonl", ROWS)
    done = counterpoint("index", "corpus.jsonl", "-m", "model", "-o", "index", cwd=folder)
    said = done.stdout.splitlines()[-1]
    assert said.startswith("index: 4 documents; float32 means of several float16 vectors of 8 dimensions, ")
    return folder


def test_it_is_ranked_by_maxsim(place):
    (hits,) = found("index", "the boat", "--mode", "dense", cwd=place)
    agrees(hits, expected(place / "model", "the boat", TEXTS), [row["_id"] for row in ROWS])
    assert hits[0]["columns"] == {"even": hits[0]["id"] in ("d0", "d2")}
    # and not by the means
    means = load(place / "model").encode
    cosines = means(TEXTS, kind="document") @ means(["the boat"], kind="query")[0]
    assert hits[0]["score"] != pytest.approx(cosines.max(), rel=1e-2)


def test_filters_words_pages_and_rerankers(place):
    (hits,) = found("index", "boat", "--where", "even = true", cwd=place)
    assert {hit["id"] for hit in hits} == {"d0", "d2"}
    (hits,) = found("index", "boat house roof", cwd=place)
    order, _ = expected(place / "model", "boat house roof", TEXTS)
    fused = {f"d{i}": 1 / (61 + order.index(i)) for i in range(4)}
    for rank, name in enumerate(["d2", "d1"]):
        fused[name] += 1 / (61 + rank)
    assert {hit["id"]: hit["score"] for hit in hits} == pytest.approx(fused)
    (page,) = found("index", "boat house roof", "-k", 2, "--offset", 1, cwd=place)
    assert page == hits[1:3]
    judge = KernelCrossEncoder(load(place / "table"))
    judge.save(place / "judge")
    (again,) = found("index", "boat house roof", "--rerank", "judge", cwd=place)
    score = dict(zip(fused, judge.score(["boat house roof"] * 4, TEXTS).tolist(), strict=True))
    # equal ones stay in the order they were in
    assert [hit["id"] for hit in again] == sorted((hit["id"] for hit in hits), key=lambda name: -score[name])


def test_add_replace_and_delete(place, tmp_path):
    counterpoint("index", place / "corpus.jsonl", "-m", place / "model", "-o", "i", cwd=tmp_path)
    more = [{"_id": "d1", "text": "a lamp"}, {"_id": "e", "text": "the roof of the aardvark"}]
    done = counterpoint("index", write(tmp_path, "more.jsonl", more), "--add", "-o", "i", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "i: 1 added, 1 replaced, 5 documents in all"
    counterpoint("index", "--delete", "d3", "-o", "i", cwd=tmp_path)
    ids, texts = ["d0", "d2", "d1", "e"], [TEXTS[0], TEXTS[2], "a lamp", "the roof of the aardvark"]
    (hits,) = found("i", "lamp on the roof", "--mode", "dense", cwd=tmp_path)
    agrees(hits, expected(place / "model", "lamp on the roof", texts), ids)


def test_an_index_of_means_stays_one(place, tmp_path):
    """As those were that were made of such a model before an index could hold several vectors."""
    encoder = load(place / "model")
    z = encoder.encode(TEXTS, kind="document")
    Index.build(
        tmp_path / "i", list("abcd"), TEXTS, z, encoder=encoder, metadata={"model": str(place / "model")}
    ).close()
    more = write(tmp_path, "more.jsonl", [{"_id": "e", "text": "the roof"}])
    counterpoint("index", more, "--add", "-o", "i", cwd=tmp_path)
    (hits,) = found("i", "the roof", "--mode", "dense", "-k", 5, cwd=tmp_path)
    q, d = encoder.encode(["the roof"], kind="query"), encoder.encode([*TEXTS, "the roof"], kind="document")
    cosines = (q @ d.T)[0] / np.linalg.norm(q) / np.linalg.norm(d, axis=1)
    assert [hit["id"] for hit in hits] == ["abcde"[i] for i in np.argsort(-cosines)]
    assert [hit["score"] for hit in hits] == pytest.approx(np.sort(cosines)[::-1], abs=2e-3)


def test_a_model_that_knows_parts_is_searched_by_whole_texts(place, tmp_path):
    bert = small_transformer(TEXTS, layers=1, width=16, heads=2, spread=0.3)
    SpanEncoder(MultiVectorEncoder(bert, size=8)).save(tmp_path / "model")
    counterpoint("index", place / "corpus.jsonl", "-m", "model", "-o", "i", cwd=tmp_path)
    (hits,) = found("i", "red roof", "--mode", "dense", cwd=tmp_path)
    agrees(hits, expected(tmp_path / "model", "red roof", TEXTS), [row["_id"] for row in ROWS])


def test_a_model_of_one_vector_does_not_serve_an_index_of_several(place, tmp_path):
    encoder = load(place / "model")
    z = encoder.encode_each(Items("text", TEXTS), kind="document")
    metadata = {"model": str(place / "table")}
    Index.build(tmp_path / "i", list("abcd"), TEXTS, z, metadata=metadata).close()
    with pytest.raises(InputError, match="the index has several vectors a document, and the model gives one"):
        _opened(tmp_path / "i", None, "auto")


def test_prompt_and_dimensions_are_those_of_the_index(place, tmp_path):
    arguments = ["-m", place / "model", "-o", "i", "--prompt", "boat ", "--dim", 4]
    counterpoint("index", place / "corpus.jsonl", *arguments, cwd=tmp_path)
    (hits,) = found("i", "red roof", "--mode", "dense", "--prompt", "boat ", cwd=tmp_path)
    wanted = expected(place / "model", "red roof", TEXTS, prompt="boat ", dim=4)
    agrees(hits, wanted, [row["_id"] for row in ROWS])
    assert wanted[1] != pytest.approx(expected(place / "model", "red roof", TEXTS)[1])


def test_passages(place, tmp_path):
    rows = [
        {"_id": "m1", "text": "Paint the boat. The house has a roof. Feed the ants."},
        {"_id": "m2", "text": "A red lamp. Rain falls every day."},
    ]
    arguments = [write(tmp_path, "long.jsonl", rows), "-m", place / "model", "-o", "i", "--passages", 5]
    counterpoint("index", *arguments, cwd=tmp_path)
    (hits,) = found("i", "red lamp", "--mode", "dense", cwd=tmp_path)
    assert [hit["id"] for hit in hits] == ["m2", "m1"]
    assert hits[0]["text"] == "A red lamp."


def test_what_does_not_go_together(place, tmp_path):
    corpus, model = place / "corpus.jsonl", place / "model"
    said = counterpoint("index", corpus, "-m", model, "-o", "i", "--uri", "http://h:1", cwd=tmp_path, refused=True)
    assert "a Milvus cluster holds one vector a document, not several" in said
    said = counterpoint("search", "index", "boat", "--hyde", "lm", cwd=place, refused=True)
    assert said == "--hyde is for models of one vector a text; leave it out."
    said = counterpoint("search", "index", "boat", "-m", "table", cwd=place, refused=True)
    assert "this is not the model that made the index" in said
    # an index that does not know its model
    Index.build(tmp_path / "i", ["a"], ["b"], Ragged(np.ones((2, 32), np.float32), np.array([0, 2]))).close()
    said = counterpoint("search", "i", "boat", "-m", place / "table", cwd=tmp_path, refused=True)
    assert "the index has several vectors a document, and the model gives one; name the model" in said
