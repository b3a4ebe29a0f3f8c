"""`search --hyde`: what a language model answers is searched by, and what it cannot answer is said."""

from __future__ import annotations

import contextlib
import json
from functools import partialmethod

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import KernelCrossEncoder, StaticEncoder, load
from counterpoint.errors import InputError
from counterpoint.generating import Endpoint
from generating.served import asked, completion, reply, serving
from generating.tiny import made

TEXTS = ["feed the aardvark ants every day", "paint the boat every spring", "rain falls on the roof"]
ROWS = [{"_id": f"d{i}", "text": text, "even": i % 2 == 0} for i, text in enumerate(TEXTS)]
QUERY = "what do they eat"


def search(folder, *arguments, refused=False):
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, ["search", "index", *map(str, arguments), "--json"])
    if refused:
        assert isinstance(done.exception, InputError), done.output
        return str(done.exception), done
    if done.exception is not None:
        raise done.exception
    return [json.loads(line)["hits"] for line in done.stdout.splitlines()], done


@pytest.fixture
def place(tmp_path):
    StaticEncoder.from_corpus([*TEXTS, QUERY], dim=16).save(tmp_path / "model")
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    with contextlib.chdir(tmp_path):
        done = CliRunner().invoke(app, ["index", "corpus.jsonl", "-m", "model", "-o", "index", "--prompt", "text: "])
    assert done.exception is None, done.output
    return tmp_path


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What cannot be reached is given up without waiting."""
    monkeypatch.setattr(Endpoint, "__init__", partialmethod(Endpoint.__init__, wait=0.0))


def answers(handler, body, count):
    reply(handler, completion(["the aardvark eats ants", "ants every day"][count % 2]))


def test_queries_are_the_mean_of_themselves_and_the_answers(place):
    with serving(answers) as (url, served):
        arguments = [QUERY, "--mode", "dense", "--hyde", "m", "--url", url, "--hyde-passages", 2, "-k", 3]
        (hits,), done = search(place, *arguments)
        assert len(served.bodies) == 2
        again, _ = search(place, *arguments)
        assert len(served.bodies) == 2, "what was answered is asked again"
    assert again == [hits]
    assert QUERY in asked(served.bodies[0])
    assert "Question" in asked(served.bodies[0])
    encoder = load(place / "model")
    # passages have the prompt of the index's documents; the query has the model's own
    written = encoder.encode(["the aardvark eats ants", "ants every day"], prompt="text: ")
    z = (encoder.encode([QUERY], kind="query")[0] + written.sum(0)) / 3
    cosines = encoder.encode(TEXTS, prompt="text: ") @ z / np.linalg.norm(z)
    order = np.argsort(-cosines)
    assert [hit["id"] for hit in hits] == [f"d{i}" for i in order]
    np.testing.assert_allclose([hit["score"] for hit in hits], cosines[order], rtol=1e-5)
    assert "2 answers new, 0 kept" in done.stderr
    assert (place / "index.answers" / "answers.sqlite").exists()
    # without it another order, or this test says nothing
    plain, _ = search(place, QUERY, "--mode", "dense", "-k", 3)
    assert [hit["score"] for hit in plain[0]] != pytest.approx(cosines[order], rel=1e-3)


def test_filters_words_and_rerankers_see_the_query_itself(place):
    longest = KernelCrossEncoder(load(place / "model"))
    longest.save(place / "judge")
    with serving(answers) as (url, _):
        hyde = ["--hyde", "m", "--url", url, "--hyde-passages", 2]
        (hits,), _ = search(place, "boat", *hyde, "--where", "even = false")
        assert [hit["id"] for hit in hits] == ["d1"]
        hits, _ = search(place, "boat", *hyde, "--rerank", "judge")
        wanted = longest.score(["boat"] * 3, TEXTS)
        assert [h["id"] for h in hits[0]] == [f"d{i}" for i in np.argsort(-wanted, kind="stable")]
        (mixed,), _ = search(place, "boat", *hyde)
        (dense,), _ = search(place, "boat", *hyde, "--mode", "dense")
    # the words of the query alone stand beside the vectors
    both = {hit["id"]: 1 / (61 + rank) for rank, hit in enumerate(dense)}
    both["d1"] += 1 / 61
    assert {hit["id"]: hit["score"] for hit in mixed} == pytest.approx(both)


def test_a_template_of_ones_own_and_a_folder_for_answers(place):
    with serving(answers) as (url, served):
        hyde = ["--hyde", "m", "--url", url, "--hyde-passages", 1, "--hyde-prompt", "Say {text}!"]
        search(place, QUERY, *hyde, "--answers", place / "kept")
        assert [asked(body) for body in served.bodies] == [f"Say {QUERY}!"]
        assert (place / "kept" / "answers.sqlite").exists()
        said, _ = search(place, QUERY, *hyde[:-1], "Say it!", refused=True)
    assert "the template is the same for all queries; write {text}" in said


def test_a_local_model_writes(place):
    model, tokenizer = made()
    model.save_pretrained(place / "lm")
    tokenizer.save_pretrained(place / "lm")
    hits, done = search(place, QUERY, "--hyde", "lm", "--hyde-passages", 1)
    assert len(hits[0]) == 3
    assert "1 answer new" in done.stderr


def silent(handler, body, count):
    reply(handler, completion(""))


def half(handler, body, count):
    if body["seed"] % 2:
        reply(handler, completion("ants"))
    else:
        reply(handler, {"error": "too long"}, status=400)


def test_nothing_written_is_an_error_unless_it_is_said(place):
    plain, _ = search(place, QUERY, "boat")
    with serving(silent) as (url, _):
        hyde = ["--hyde", "m", "--url", url, "--hyde-passages", 2]
        said, _ = search(place, QUERY, *hyde, refused=True)
        assert said.startswith(f"nothing was written for {QUERY!r} (nothing was said); see to the language model")
        assert "--hyde-fallback" in said
        hits, done = search(place, QUERY, "boat", *hyde, "--hyde-fallback")
    assert hits == plain
    assert done.stderr.count("note: by the query alone: nothing was written for") == 2


@pytest.mark.parametrize("passages", [2, 8])
def test_a_server_that_is_not_there(place, passages):
    """With few passages the server has not said no often enough to end the work."""
    plain, _ = search(place, QUERY)
    hyde = ["--hyde", "m", "--url", "http://127.0.0.1:9/v1", "--hyde-passages", passages]
    said, done = search(place, QUERY, *hyde, refused=True)
    assert "http://127.0.0.1:9/v1" in said
    assert done.stdout == ""
    hits, done = search(place, QUERY, *hyde, "--hyde-fallback")
    assert hits == plain
    assert "note: by the query alone: " in done.stderr


def test_what_is_missing_is_said(place):
    with serving(half) as (url, served):
        _, done = search(place, QUERY, "--hyde", "m", "--url", url, "--hyde-passages", 8)
    refused = sum(body["seed"] % 2 == 0 for body in served.bodies)
    assert 0 < refused < 8
    assert f"note: {refused} of 8 passages for {QUERY!r} could not be had (" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "http://localhost:1/v1"], "--url is for --hyde"),
        (["--hyde-passages", "2"], "--hyde-passages is for --hyde"),
        (["--hyde-fallback"], "--hyde-fallback is for --hyde"),
        (["--answers", "kept"], "--answers is for --hyde"),
        (["--hyde", "m", "--token-from", "KEY"], "--token-from is for a server; give its --url"),
        (["--hyde", "/no/such/model"], "/no/such/model"),
    ],
)
def test_options_that_say_nothing(place, arguments, message):
    said, _ = search(place, QUERY, *arguments, refused=True)
    assert message in said
