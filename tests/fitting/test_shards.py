"""`fit` over shards is `fit` over one file with all their rows."""

from __future__ import annotations

import json

import pytest
import torch

from counterpoint.data.stored import is_stored
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.fitting.parts import load_parts
from counterpoint.fitting.shards import HELD


def rows_in(folder, n, shards):
    rows = [
        json.dumps({"query": f"the {w} {i % 17}", "document": f"{w} {i} is here {i % 5}"}) + "\n"
        for i, w in zip(range(n), ("red", "blue", "pink") * n, strict=False)
    ]
    folder.mkdir()
    for i in range(shards):
        (folder / f"{i}.jsonl").write_text("".join(rows[i * n // shards : (i + 1) * n // shards]))
    (folder.parent / "one.jsonl").write_text("".join(rows))


def test_the_same_model_as_of_one_file(tmp_path):
    rows_in(tmp_path / "shards", 150, 3)
    said, weights = [], []
    for source in ("shards", "one.jsonl"):
        result = fit(
            tmp_path / source,
            tmp_path / f"run-{source}",
            base="static",
            epochs=1,
            test=12,
            dev=0,
            say=said.append,
            checkpoint_seconds=0,
        )
        weights.append(torch.cat([p.flatten() for p in result.encoder.parameters()]))
        assert sorted(p.name for p in result.folder.iterdir()) == ["model", "report.html", "run.json"]
    assert torch.equal(*weights)
    assert any("pairs from 3 shards" in sentence for sentence in said)
    assert any(sentence == "read 3 of 3 shards, 150 rows" for sentence in said)


def test_what_is_held_out_is_in_memory_and_no_more_than_can_be_searched(tmp_path, monkeypatch):
    rows_in(tmp_path / "shards", 120, 2)
    monkeypatch.setitem(HELD, "test", 9)
    monkeypatch.setitem(HELD, "dev", 4)
    parts = load_parts(tmp_path / "shards", {}, 0.25, 0.25, 0, None, stored=tmp_path / "texts")
    assert 2 <= parts.sizes["dev"] <= 4 < parts.sizes["test"] <= 9  # rows that share a text stay together
    assert "test: 9 rows, the most that a fraction of shards holds out" in parts.description
    assert is_stored(parts.train)
    assert not is_stored(parts.test)
    asked = load_parts(tmp_path / "shards", {}, 3, 20, 0, None, stored=tmp_path / "texts")
    assert 9 < asked.sizes["test"] <= 20
    assert "the most" not in asked.description


def test_files_of_their_own_for_dev_and_test(tmp_path):
    rows_in(tmp_path / "shards", 60, 2)
    (tmp_path / "test.tsv").write_text("query\tdocument\nthe RED 0\tanother\nnew\twhole\n")
    parts = load_parts(tmp_path / "shards", {}, 0, str(tmp_path / "test.tsv"), 0, None, stored=tmp_path / "texts")
    left = sum(f"the red {i % 17}" == "the red 0" for i in range(0, 60, 3))
    assert (len(parts.train), len(parts.test)) == (60 - left, 2)
    assert f"{left} rows left out of training" in parts.description
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match="the test data is not pairs like the shards"):
        load_parts(tmp_path / "shards", {}, 0, str(tmp_path / "texts.txt"), 0, None, stored=tmp_path / "texts")
    with pytest.raises(InputError, match="--split is of datasets"):
        load_parts(tmp_path / "shards", {"split": "en"}, 0, 5, 0, None, stored=tmp_path / "texts")


def test_a_run_with_files_of_their_own_and_columns_that_are_said(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for i in range(2):
        rows = [{"name": f"n{i}{j}", "about": f"about {i}{j} here", "title": "x", "text": "y"} for j in range(20)]
        (folder / f"{i}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for part, places in (("dev", range(3)), ("test", range(3, 7))):
        rows = [{"title": "z", "text": "w", "name": f"{part} {j}", "about": f"of {part} {j}"} for j in places]
        rows += [{"title": "z", "text": "w", "name": " ", "about": "bad"}]
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = fit(
        folder,
        tmp_path / "run",
        base="static",
        epochs=1,
        columns={"anchor": "name", "positive": "about"},
        dev=str(tmp_path / "dev.jsonl"),
        test=str(tmp_path / "test.jsonl"),
        skip_bad=True,
        say=lambda _: None,
    )
    about = json.loads((result.folder / "run.json").read_text())["content"]["data"]
    assert (about["splits"], about["rejected"]) == ({"train": 40, "dev": 3, "test": 4}, 2)
    assert len((result.folder / "rejected.jsonl").read_text().splitlines()) == 2


def test_texts_are_kept_where_a_run_begins_anew_and_what_needs_memory_is_refused(tmp_path, monkeypatch):
    from counterpoint.data import shards

    rows_in(tmp_path / "shards", 60, 2)
    read = []
    real = shards._write
    monkeypatch.setattr(shards, "_write", lambda *given: (read.append(given[1].name), real(*given)))
    options = {"base": "static", "epochs": 1, "test": 6, "dev": 0, "say": lambda _: None}

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "shards", tmp_path / "run", on_row=stop, **options)
    fit(tmp_path / "shards", tmp_path / "run", **options)
    assert read == ["0.jsonl", "1.jsonl"]
    with pytest.raises(InputError, match="--index holds all vectors in memory"):
        fit(tmp_path / "shards", tmp_path / "other", index=True, **options)
    assert not (tmp_path / "other").exists()


def test_queries_with_documents_are_for_texts_alone(tmp_path):
    rows_in(tmp_path / "shards", 30, 2)
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text('{"_id": "1", "text": "a fox"}\n')
    (beir / "queries.jsonl").write_text('{"_id": "q", "text": "Text 3"}\n')
    (beir / "qrels" / "test.tsv").write_text("q\t1\t1\n")
    with pytest.raises(InputError, match="queries with documents, and the shards pairs"):
        load_parts(tmp_path / "shards", {}, 0, str(beir), 0, None, stored=tmp_path / "texts")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "0.jsonl").write_text("".join(f'{{"text": "text {i}"}}\n' for i in range(9)))
    parts = load_parts(tmp_path / "alone", {}, 0, str(beir), 0, None, stored=tmp_path / "other")
    assert len(parts.train) == 8
    assert "1 rows left out of training" in parts.description
    # nobody chooses by what is measured
    for seed in range(4):
        parts = load_parts(tmp_path / "alone", {}, 5, str(beir), seed, None, stored=tmp_path / "other")
        assert "text 3" not in parts.dev.anchors[parts.dev.anchor].texts
        assert parts.sizes["train"] + parts.sizes["dev"] == 8
    asked = (beir / "queries.jsonl").read_text()
    (beir / "queries.jsonl").write_text(asked + '{"_id": "r", "text": "other"}\n')
    (beir / "qrels" / "dev.tsv").write_text("q\t1\t1\nr\t1\t1\n")
    both = (str(beir / "qrels" / "dev.tsv"), str(beir / "qrels" / "test.tsv"))
    parts = load_parts(tmp_path / "alone", {}, *both, 0, None, stored=tmp_path / "other")
    assert list(parts.dev.queries) == ["r"]
    assert "dev: 1 queries left out, as they are in the test, too" in parts.description


def test_dev_has_no_text_of_a_given_test(tmp_path):
    rows_in(tmp_path / "shards", 60, 2)
    (tmp_path / "test.tsv").write_text("query\tdocument\nthe RED 0\tanother\nnew\twhole\n")
    parts = [
        load_parts(tmp_path / "shards", {}, 20, str(tmp_path / "test.tsv"), seed, None, stored=tmp_path / "texts")
        for seed in range(12)
    ]
    assert not any("the red 0" in part.dev.anchors[part.dev.anchor].texts for part in parts)
    assert any("dev: " in part.description for part in parts)
    with pytest.raises(InputError, match="--strict-split is of retrieval data"):
        load_parts(tmp_path / "shards", {}, 5, 5, 0, None, stored=tmp_path / "texts", strict=True)
