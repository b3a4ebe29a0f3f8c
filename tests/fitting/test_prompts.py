"""A row's prompt stands before its anchor wherever the anchor is encoded, once; what all rows share the model keeps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from counterpoint.data import Example, TextData, retrieval_from_pairs
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder, encode_prompted, load
from counterpoint.encoders.towers import Towers
from counterpoint.evaluate import evaluate_any
from counterpoint.fitting import fit
from counterpoint.negatives import consistent, mine_bm25
from counterpoint.search import BM25
from counterpoint.training import RowBatches

COLOURS = ("red", "blue", "green", "grey")
THINGS = [f"{t} {n}" for t in ("car", "boat") for n in range(6)]
ITEMS = [(c, t) for c in COLOURS for t in THINGS]


@pytest.fixture
def seen(monkeypatch):
    """Every text that a static encoder tokenises, with its prompt."""
    texts: list[str] = []
    original = StaticEncoder._flat

    def spy(self, chosen):
        texts.extend(chosen)
        return original(self, chosen)

    monkeypatch.setattr(StaticEncoder, "_flat", spy)
    monkeypatch.setattr("counterpoint.fitting.run.unknown_note", lambda *_: "")  # it reads the texts by themselves
    return texts


@pytest.fixture
def lexical(monkeypatch):
    """Every query that BM25 searches for."""
    queries: list[str] = []
    original = BM25.score_rows

    def spy(self, chosen):
        queries.extend(chosen)
        return original(self, chosen)

    monkeypatch.setattr(BM25, "score_rows", spy)
    return queries


def run(tmp_path, prompts, **options):
    rows = [
        {"query": f"where is a {c} {t}", "pos": [f"{t} in {c}"], "instruction": prompts[i % len(prompts)]}
        for i, (c, t) in enumerate(ITEMS)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said: list[str] = []
    result = fit(tmp_path / "a.jsonl", tmp_path / "run", test=10, dev=6, epochs=1, say=said.append, **options)
    return result, said


def test_one_prompt_for_all_becomes_the_models(tmp_path, seen, lexical):
    result, said = run(tmp_path, ["Find the place: "], base="static")
    queries = [text for text in seen if "where is" in text]
    # 32 training queries once, 6 of dev and 10 of test at every validation and measurement
    assert len(queries) >= 32 + 6 + 2 * 10
    assert all(text.startswith("Find the place: where is") for text in queries)
    assert lexical
    assert all(query.startswith("where is") for query in lexical)
    assert "all rows have the prompt 'Find the place: ', which becomes the model's query prompt" in said
    saved = load(tmp_path / "run" / "model")
    assert saved.prompts["query"] == "Find the place: "
    assert result.content.model.prompts["query"] == "Find the place: "
    bare = load(tmp_path / "run" / "model", prompts={})
    assert np.array_equal(saved.encode(["x"], kind="query"), bare.encode(["Find the place: x"]))


def test_it_takes_the_place_of_the_models_own(tmp_path, seen):
    base = StaticEncoder.from_corpus(["where is a red car in blue"], dim=8, prompts={"query": "query: "})
    base.save(tmp_path / "base")
    _, said = run(tmp_path, ["Find: "], base=str(tmp_path / "base"))
    assert all(text.startswith("Find: where") for text in seen if "where is a" in text and "in blue" not in text)
    assert "which becomes the model's query prompt in place of 'query: '" in "".join(said)


def test_different_prompts_stay_with_their_rows(tmp_path, seen, lexical):
    base = StaticEncoder.from_corpus(["where is a red car in blue"], dim=8, prompts={"query": "query: "})
    base.save(tmp_path / "base")
    _, said = run(tmp_path, ["Find: ", "Look for: ", ""], base=str(tmp_path / "base"))
    starts = {text.partition("where is a ")[0] for text in seen if "where is a " in text and "in blue" not in text}
    assert starts == {"Find: ", "Look for: ", "query: "}
    assert all(query.startswith("where is") for query in lexical)
    assert any(s.startswith("the rows have 2 prompts, each used with its row") and "--prompt" in s for s in said)
    assert load(tmp_path / "run" / "model").prompts["query"] == "query: "


def test_a_prompt_that_some_rows_lack_is_no_prompt_of_the_model(tmp_path):
    _, said = run(tmp_path, ["Find: ", ""])
    assert any(s.startswith("only some rows have the prompt 'Find: ', used with") for s in said)
    assert "query" not in load(tmp_path / "run" / "model").prompts


PAIRS = [
    Example("red", ("a red car",), prompt="find: "),
    Example("blue", ("a blue car",)),
    Example("red", ("a red one",), prompt="see: "),
]


def encoder(**options):
    return StaticEncoder.from_corpus(["find see red blue a car one"] * 2, dim=8, **options)


def test_queries_with_different_prompts_are_different_queries():
    test = retrieval_from_pairs(PAIRS)
    assert test.queries == {"q0": "red", "q1": "blue", "q2": "red"}
    assert test.prompts == {"q0": "find: ", "q2": "see: "}


def test_evaluation_mining_and_filter_see_the_prompts(seen, lexical):
    model = encoder(prompts={"query": "find: "})
    data = TextData("pairs", PAIRS, "memory")
    scored = TextData(
        "scored", [Example(e.anchor, e.positives, score=i, prompt=e.prompt) for i, e in enumerate(PAIRS)], ""
    )
    for use in (lambda: evaluate_any(model, data, samples=0), lambda: consistent(rows_of(PAIRS), model)):
        seen.clear()
        use()
        assert sorted(t for t in seen if "car" not in t and "one" not in t) == ["find: blue", "find: red", "see: red"]
    seen.clear()
    evaluate_any(model, scored, samples=0)
    assert sorted(t for t in seen if "car" not in t and "one" not in t) == ["blue", "find: red", "see: red"]
    mine_bm25(rows_of(PAIRS))
    assert lexical == ["red", "blue", "red"]


def test_batches_hold_the_tokens_of_prompt_and_anchor():
    model = encoder(prompts={"query": "a "})
    batches = RowBatches(rows_of(PAIRS), model, kinds=("query", "document"))
    z = model(batches.payload(torch.arange(3)).inputs)[:3].detach().numpy()
    assert np.allclose(z, encoder(prompts={}).encode(["find: red", "a blue", "see: red"]))


def test_both_sides_of_a_dual_encoder():
    dual = Towers(encoder(prompts={"query": "a ", "document": "one "}))
    bare = encoder(prompts={})
    z = encode_prompted(dual, ["red", "blue"], ["see ", ""], kind="query")
    assert np.array_equal(z, bare.encode(["see red", "a blue"]))
    z = encode_prompted(dual, ["red", "blue"], ["see ", ""], kind="document")
    assert np.array_equal(z, bare.encode(["see red", "one blue"]))
    assert dual.query.prompts == {"query": "a ", "document": "one "}, "as it was"


def test_the_default_prompt_gives_way_too():
    model = encoder(prompts={"general": "a "}, default_prompt_name="general")
    z = encode_prompted(model, ["red", "blue"], ["see ", ""])
    assert np.array_equal(z, encoder(prompts={}).encode(["see red", "a blue"]))
    assert model.default_prompt_name == "general"
