"""BEIR, Tevatron and Hugging Face folders; pairs to retrieval tests and back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import (
    Example,
    Retrieval,
    TextData,
    describe,
    normalise,
    pairs_from_retrieval,
    read,
    read_documents,
    retrieval_from_pairs,
)
from counterpoint.errors import InputError


def jsonl(path: Path, *rows) -> None:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def beir(folder: Path, *, gz: str = "") -> Path:
    jsonl(
        folder / f"corpus.jsonl{gz}",
        {"_id": "d1", "title": "Cats", "text": "They purr.", "metadata": {}},
        {"_id": "d2", "title": "", "text": "Dogs bark."},
        {"_id": 3, "text": "Cows moo."},
    )
    jsonl(folder / f"queries.jsonl{gz}", {"_id": "q1", "text": "purr?"}, {"_id": "q2", "text": "moo?"})
    (folder / "qrels").mkdir()
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "test.tsv").write_text(header + "q1\td1\t2\nq1\td2\t0\nq2\t3\t1\n")
    (folder / "qrels" / "train.tsv").write_text(header + "q2\t3\t1\n")
    return folder


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_beir(tmp_path, gz):
    folder = beir(tmp_path / "b", gz=gz)
    test = read(folder)
    assert isinstance(test, Retrieval)
    assert test.corpus == {"d1": "Cats They purr.", "d2": "Dogs bark.", "3": "Cows moo."}
    assert test.queries == {"q1": "purr?", "q2": "moo?"}
    assert test.qrels == {"q1": {"d1": 2.0, "d2": 0.0}, "q2": {"3": 1.0}}
    assert describe(test).endswith("3 documents, 2 queries, 3 judgements of 2 queries")
    train = read(folder, split="train")
    assert train.qrels == {"q2": {"3": 1.0}}
    assert read(folder / "qrels" / "train.tsv").qrels == train.qrels
    with pytest.raises(InputError, match=r"without qrels/dev.tsv; there is test, train"):
        read(folder, split="dev")


def test_options_that_a_layout_does_not_know_are_refused(tmp_path):
    folder = beir(tmp_path / "b")
    (tmp_path / "a.tsv").write_text("query\tdocument\none\ttwo\n")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0.jsonl").write_text('{"query": "one", "document": "two"}\n')
    for source, options, what in (
        (folder, {"columns": {"anchor": "text"}}, "columns= does not apply to queries with documents"),
        (folder, {"schema": "pairs"}, "schema= does not apply to queries with documents"),
        (folder / "qrels" / "train.tsv", {"split": "test"}, "split= does not apply to queries with documents"),
        (tmp_path / "a.tsv", {"split": "test"}, "split= does not apply to a file"),
        (tmp_path / "shards", {"split": "test"}, "split= does not apply to shards"),
    ):
        with pytest.raises(InputError, match=what):
            read(source, **options)
    with pytest.raises(InputError, match="split= does not apply to a corpus"):
        read_documents(folder, split="test")


def test_trec_judgements_and_the_only_split(tmp_path):
    folder = beir(tmp_path / "b")
    (folder / "qrels" / "test.tsv").unlink()
    (folder / "qrels" / "train.tsv").write_text("q1 0 d1 1\nq2 0 3 1\n")
    assert read(folder).qrels == {"q1": {"d1": 1.0}, "q2": {"3": 1.0}}


@pytest.mark.parametrize(
    ("file", "line", "number", "words"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "again"}', 4, "the id 'd1' occurs twice, first in line 1"),
        ("queries.jsonl", '{"_id": "q2", "text": "again"}', 3, "the id 'q2' occurs twice, first in line 2"),
        ("corpus.jsonl", '{"text": "no id"}', 4, "no id in column '_id'"),
        ("corpus.jsonl", '{"_id": "d9", "text": 5}', 4, "of id 'd9' is not a text"),
        ("corpus.jsonl", '{"_id": "d9", "title": "", "text": " "}', 4, "text of id 'd9' is empty"),
        ("qrels/test.tsv", "q1\td9\t1", 5, "unknown document 'd9'"),
        ("qrels/test.tsv", "q9\td1\t1", 5, "unknown query 'q9'"),
        ("qrels/test.tsv", "q1\td1\tnan", 5, "the gain is not a finite number: 'nan'"),
        ("qrels/test.tsv", "q1\td1", 5, "2 fields where"),
        ("qrels/test.tsv", "q1\td1\t1", 5, "judged twice"),
    ],
)
def test_bad_rows_of_a_beir_folder(tmp_path, file, line, number, words):
    folder = beir(tmp_path / "b")
    good = read(folder)
    with (folder / file).open("a") as out:
        out.write(line + "\n")
    with pytest.raises(InputError) as caught:
        read(folder)
    assert words in caught.value.what
    assert (caught.value.file, caught.value.line) == (str(folder / file), number)
    assert caught.value.fix
    skipped = read(folder, skip_bad=True)
    assert (skipped.corpus, skipped.queries, skipped.qrels) == (good.corpus, good.queries, good.qrels)
    assert [(bad.file, bad.line) for bad in skipped.rejected] == [(str(folder / file), number)]
    assert describe(skipped).endswith("1 row left out")


def test_judgements_alone(tmp_path):
    (tmp_path / "qrels.tsv").write_text("q\td\t1\n")
    with pytest.raises(InputError, match="judgements without the texts"):
        read(tmp_path / "qrels.tsv")


def test_tevatron_by_document_ids(tmp_path):
    jsonl(
        tmp_path / "corpus.jsonl",
        {"docid": "d1", "document_text": "Cats."},
        {"docid": "d2", "document_text": "Dogs."},
    )
    row = {"query_id": "1", "query_text": "pets?", "query_image": None}
    row |= {"positive_document_ids": ["d1"], "negative_document_ids": ["d2"]}
    jsonl(tmp_path / "train.jsonl", row)
    assert read(tmp_path / "train.jsonl").examples == [Example("pets?", ("Cats.",), ("Dogs.",), line=1)]
    jsonl(tmp_path / "train.jsonl", row, {**row, "positive_document_ids": ["d3"]})
    with pytest.raises(InputError, match=r"train.jsonl:2: .* unknown document 'd3'"):
        read(tmp_path / "train.jsonl")


@pytest.fixture
def datasets(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    module = pytest.importorskip("datasets")
    module.disable_progress_bars()
    return module


def hub_data(datasets):
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    columns = {"text": ["bad", "good", "fine \u2028 é"], "label": [0, 1, 1]}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def test_a_saved_dataset_of_the_datasets_library(tmp_path, datasets):
    saved = hub_data(datasets)
    saved.save_to_disk(tmp_path / "one", num_shards=2)
    result = read(tmp_path / "one")
    assert result.schema == "labelled"
    assert [(e.anchor, e.label) for e in result.examples] == [
        ("bad", "neg"),
        ("good", "pos"),
        ("fine \u2028 é", "pos"),
    ]
    both = datasets.DatasetDict({"train": saved.select([1, 2]), "test": saved.select([0])})
    both.save_to_disk(tmp_path / "dict")
    with pytest.raises(InputError, match="split= does not apply to a dataset of one split"):
        read(tmp_path / "one", split="train")
    assert [e.anchor for e in read(tmp_path / "dict").examples] == ["good", "fine \u2028 é"]
    assert [e.anchor for e in read(tmp_path / "dict", split="test").examples] == ["bad"]
    with pytest.raises(InputError, match=r"no split 'dev' \(there is train, test\)"):
        read(tmp_path / "dict", split="dev")
    shard = next((tmp_path / "one").glob("data-00001*"))
    shard.write_bytes(shard.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a whole Arrow file"):
        read(tmp_path / "one")


def test_the_hub(datasets, monkeypatch):
    asked = []

    def load_dataset(name, config):
        asked.append((name, config))
        if name == "no/where":
            raise FileNotFoundError("no dataset no/where on the hub.\nand more")
        return datasets.DatasetDict({"train": hub_data(datasets), "test": hub_data(datasets).select([0])})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match="the name says split test, and split= train; say one"):
        read("hf:some/one:test", split="train")
    assert len(read("hf:some/one:test", split="test").examples) == 1
    asked.clear()
    result = read("hf:owner/name/config:test")
    assert [(e.anchor, e.label) for e in result.examples] == [("bad", "neg")]
    assert len(read("hf:name")) == 3
    assert asked == [("owner/name", "config"), ("name", None)]
    with pytest.raises(InputError, match="cannot be loaded from the hub: no dataset"):
        read("hf:no/where")


def test_the_hub_without_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(InputError, match=r"counterpoint\[hub\]"):
        read("hf:owner/name")


words = st.sampled_from(["a", "A ", "b", "c", "C", "d e", "D  e", "f"])
some_pairs = st.lists(st.builds(Example, words, st.lists(words, min_size=1, max_size=3).map(tuple)), min_size=1)


@given(examples=some_pairs, extra=st.lists(words))
def test_every_copy_of_a_relevant_text_is_relevant(examples, extra):
    test = retrieval_from_pairs(examples, extra)
    documents = [normalise(text) for text in test.corpus.values()]
    queries = {normalise(text): query for query, text in test.queries.items()}
    assert len(set(documents)) == len(documents)
    assert len(queries) == len(test.queries)
    relevant = {
        (normalise(example.anchor), normalise(positive)) for example in examples for positive in example.positives
    }
    assert relevant == {
        (normalise(test.queries[q]), normalise(test.corpus[d])) for q, gains in test.qrels.items() for d in gains
    }
    everything = [text for example in examples for text in example.positives] + extra
    assert set(documents) == {normalise(text) for text in everything}


@given(examples=some_pairs)
def test_pairs_to_retrieval_and_back(examples):
    test = retrieval_from_pairs(examples)
    back = pairs_from_retrieval(test)
    assert {example.anchor: set(example.positives) for example in back.examples} == {
        test.queries[query]: {test.corpus[document] for document in gains} for query, gains in test.qrels.items()
    }
    assert back.schema == ("pairs" if all(len(e.positives) == 1 for e in back.examples) else "tuples")


def test_documents_judged_irrelevant_are_negatives(tmp_path):
    data = pairs_from_retrieval(read(beir(tmp_path / "b")))
    assert isinstance(data, TextData)
    assert data.examples == [
        Example("purr?", ("Cats They purr.",), ("Dogs bark.",)),
        Example("moo?", ("Cows moo.",)),
    ]
    assert data.schema == "tuples"
    with pytest.raises(InputError, match="no query has a relevant document"):
        pairs_from_retrieval(Retrieval({"d": "x"}, {"q": "y"}, {"q": {"d": 0.0}}, "memory"))
