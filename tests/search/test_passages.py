"""A document is as near as its best passage: indexed, searched, replaced and taken out by the command."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.search import Hit, Index, best_passages

DOCUMENTS = {
    "ships": "Boats sail on the sea. A harbour is where they rest. Sailors know the wind.",
    "cats": "Cats sleep all day. Mice fear them. A cat eats fish at sea.",
    "stars": "Stars shine at night.",
}


@pytest.fixture
def folder(tmp_path):
    StaticEncoder.from_corpus(list(DOCUMENTS.values()), dim=64).save(tmp_path / "model")
    write(tmp_path, DOCUMENTS)
    run("index", tmp_path / "d.jsonl", "--model", tmp_path / "model", "--output", tmp_path / "index", "--passages", 6)
    return tmp_path


def write(folder, documents):
    rows = [json.dumps({"_id": i, "text": text, "year": len(i)}) + "\n" for i, text in documents.items()]
    (folder / "d.jsonl").write_text("".join(rows))


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def found(folder, query, *options):
    return json.loads(run("search", folder / "index", query, "--json", *options).stdout)["hits"]


def test_each_document_once_with_its_best_passage(folder):
    hits = found(folder, "mice fear cats", "-k", 3)
    assert hits[0]["id"] == "cats"
    assert hits[0]["text"] == "Mice fear them."
    assert hits[0]["columns"] == {"year": 4, "passage": 2}
    assert sorted(hit["id"] for hit in hits) == ["cats", "ships", "stars"]
    best = found(folder, "a harbour is where they rest", "--mode", "dense")[0]
    assert (best["id"], best["text"]) == ("ships", "A harbour is where they rest.")


def test_pages_follow_one_another(folder):
    whole = [hit["id"] for hit in found(folder, "the sea", "-k", 3)]
    pages = [hit["id"] for i in range(3) for hit in found(folder, "the sea", "-k", 1, "--offset", i)]
    assert pages == whole
    assert found(folder, "the sea", "--offset", 3) == []
    assert "nothing more found" in run("search", folder / "index", "the sea", "--offset", 3).stdout
    shown = run("search", folder / "index", "the sea", "--offset", 1, "-k", 1).stdout
    assert "  2  " in shown


def test_a_document_that_is_replaced_leaves_no_passage_behind(folder):
    with Index.open(folder / "index") as index:
        assert len(index) == 7
    write(folder, {"cats": "Cats purr.", "dogs": "Dogs bark. Dogs run in the park all day long."})
    said = run("index", folder / "d.jsonl", "--add", "--output", folder / "index").stdout
    assert "passages in all" in said
    with Index.open(folder / "index") as index:
        names = [f"{d}#{i}" for d in ("cats", "dogs", "ships", "stars") for i in range(1, 5)]
        held = [document.id for document in index.get(names) if document is not None]
    assert held == ["cats#1", "dogs#1", "dogs#2", "dogs#3", "ships#1", "ships#2", "ships#3", "stars#1"]
    assert found(folder, "mice fear cats")[0]["text"] == "Cats purr."


def test_documents_are_taken_out_with_all_their_passages(folder):
    said = run("index", "--delete", "cats", "--delete", "none", "--output", folder / "index").stdout
    assert "3 passages taken out, 4 left; not in the index: none" in said
    assert {hit["id"] for hit in found(folder, "cats", "-k", 5)} == {"ships", "stars"}


def test_what_does_not_go_with_passages_is_refused(folder):
    (folder / "texts.txt").write_text("one text\nanother\n")
    with pytest.raises(InputError, match="added to passages have no ids"):
        run("index", folder / "texts.txt", "--add", "--output", folder / "index")
    with pytest.raises(InputError, match="are said when an index is made"):
        run("index", folder / "d.jsonl", "--add", "--passages", 3, "--output", folder / "index")


def test_it_is_searched_deeper_until_there_are_enough_documents():
    many = [Hit(f"a#{i}", 1 - i / 100, "", {"document": "a"}) for i in range(40)]
    hits, asked = [*many, Hit("b#1", 0.1, "", {"document": "b"})], []

    def search(depth):
        asked.append(depth)
        return hits[:depth]

    assert [hit.id for hit in best_passages(search, 2)] == ["a", "b"]
    assert asked == [4, 16, 64]
    assert [hit.id for hit in best_passages(search, 1)] == ["a"]
    assert best_passages(lambda _: [], 3) == []
