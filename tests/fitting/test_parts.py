"""What is trained on and what is measured by: splits of retrieval data, and judgements of one's own for each part."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from counterpoint.data import Retrieval, normalise, read_judgements
from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.fitting import texts as texts_module
from counterpoint.fitting.each import EachSource
from counterpoint.fitting.parts import Parts, _apart, load_parts
from counterpoint.fitting.texts import read_pairs

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))


def beir(
    folder: Path, corpus: dict[str, str], queries: dict[str, str], **judgements: list[tuple[str, str, int]]
) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", corpus), ("queries", queries)):
        lines = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    for name, rows in judgements.items():
        table = ["query-id\tcorpus-id\tscore\n", *("\t".join(map(str, row)) + "\n" for row in rows)]
        (folder / "qrels" / f"{name}.tsv").write_text("".join(table))
    return folder


def parts_of(source: Path, dev=0.1, test=0.2, split=None, **options) -> Parts:
    return load_parts(source, {"split": split}, dev, test, 0, None, **options)


def texts(part) -> set[str]:
    asked = part.queries.values() if isinstance(part, Retrieval) else part.anchors[part.anchor].texts
    return set(map(normalise, asked))


def pairs(part: Data) -> list[tuple[str, set[str]]]:
    """The anchor and the positives of each row."""
    return [
        (part.anchors.texts[row], {part.others.texts[i] for i in own if i >= 0})
        for row, own in zip(part.anchor.tolist(), part.positives.tolist(), strict=True)
    ]


DOCUMENTS = {f"d{i}": f"document {i}" for i in range(5)}
QUERIES = {f"q{i}": f"query {i}" for i in range(40)}


def test_queries_are_split_though_all_share_the_same_documents(tmp_path):
    rows = [(q, d, 1) for i, q in enumerate(QUERIES) for d in (f"d{i % 5}", f"d{(i + 1) % 5}")]
    source = beir(tmp_path / "b", DOCUMENTS, QUERIES, test=rows)
    parts = parts_of(source)
    assert parts.sizes == {"train": 28, "dev": 4, "test": 8}
    assert parts.test.corpus == parts.dev.corpus == DOCUMENTS
    assert set.union(*map(texts, (parts.train, parts.dev, parts.test))) == set(QUERIES.values())
    assert "test queries with a relevant document that was a positive in training: 8 of 8" in parts.description
    assert parts.known == parts.test.queries.keys()
    with pytest.raises(InputError, match=r"shared texts hold the rows together .* \(without --strict-split\)"):
        parts_of(source, strict=True)


def test_a_strict_split_trains_on_no_document_of_the_test(tmp_path):
    documents = {f"d{i}": f"document {i}" for i in range(20)}
    source = beir(tmp_path / "b", documents, QUERIES, test=[(q, f"d{i // 2}", 1) for i, q in enumerate(QUERIES)])
    loose, strict = parts_of(source), parts_of(source, strict=True)
    assert loose.known
    assert not strict.known
    trained = set.union(*(own for _, own in pairs(strict.train)))
    assert not trained & {documents[d] for gains in strict.test.qrels.values() for d in gains}
    assert strict.sizes["test"] == 8


def test_judgements_of_train_dev_and_test_are_used_as_such(tmp_path):
    ids = list(QUERIES)
    queries = QUERIES | {"same": "QUERY  30", "late": "query 39"}  # of the test and of dev, written otherwise
    source = beir(
        tmp_path / "b", DOCUMENTS, queries,
        train=[(q, "d0", 1) for q in [*ids[:21], "same", "late", ids[25]]],
        dev=[(q, "d1", 1) for q in ids[35:]],
        test=[(q, "d2", 1) for q in ids[20:35]],
    )  # fmt: skip
    parts = parts_of(source)
    assert parts.sizes == {"train": 20, "dev": 5, "test": 15}
    assert list(parts.test.queries) == ids[20:35]
    assert not texts(parts.train) & (texts(parts.dev) | texts(parts.test))
    assert parts.notes[0] == (
        "trained on the queries of train (20), validated on the queries of dev (5), "
        "measured on the queries of test (15)"
    )
    assert "queries left out of training, as they are in dev or test, too: 4" in parts.description
    # naming one of them overrules that
    assert parts_of(source, split="test").sizes == {"train": 10, "dev": 2, "test": 3}


def test_a_query_of_dev_that_is_in_the_test_is_left_out_of_dev(tmp_path):
    ids = list(QUERIES)
    source = beir(
        tmp_path / "b", DOCUMENTS, QUERIES | {"same": "QUERY  35"},
        train=[(q, "d0", 1) for q in ids[:20]],
        dev=[(q, "d1", 1) for q in [*ids[20:33], "same"]],
        test=[(q, "d2", 1) for q in ids[30:]],
    )  # fmt: skip
    parts = parts_of(source)
    assert parts.sizes == {"train": 20, "dev": 10, "test": 10}
    assert list(parts.dev.queries) == ids[20:30]
    assert "dev queries left out, as they are in the test, too: 4" in parts.notes


def test_a_strict_split_keeps_to_judgements_of_the_test_too(tmp_path):
    documents = {f"d{i}": f"document {i}" for i in range(20)}
    ids = list(QUERIES)
    source = beir(
        tmp_path / "b", documents, QUERIES,
        train=[(q, f"d{i // 2}", 1) for i, q in enumerate(ids[:20])],
        dev=[(q, "d1", 1) for q in ids[20:30]],
        test=[(q, d, 1) for q in ids[30:35] for d in ("d0", "d19")] + [(q, "d19", 1) for q in ids[35:]],
    )  # fmt: skip
    loose, strict = parts_of(source), parts_of(source, strict=True)
    # one document that was trained on is enough to be known
    assert loose.known == set(ids[30:35])
    assert loose.sizes["train"] == 20
    assert strict.sizes["train"] == 16
    assert texts(strict.train) == {QUERIES[q] for q in ids[4:20]}
    assert not strict.known
    assert "queries left out of training, as they share documents with dev or test: 4" in strict.notes


def test_without_dev_a_part_of_train_and_without_test_dev_is_the_test(tmp_path):
    ids = list(QUERIES)
    train, other = [(q, "d0", 1) for q in ids[:30]], [(q, "d1", 1) for q in ids[30:]]
    assert parts_of(beir(tmp_path / "a", DOCUMENTS, QUERIES, train=train, test=other)).sizes == {
        "train": 27, "dev": 3, "test": 10,
    }  # fmt: skip
    parts = parts_of(beir(tmp_path / "b", DOCUMENTS, QUERIES, train=train, validation=other))
    assert parts.sizes == {"train": 27, "dev": 3, "test": 10}
    assert "measured on the queries of validation (10)" in parts.description
    # a test stays the test, whole
    parts = parts_of(beir(tmp_path / "c", DOCUMENTS, QUERIES, dev=train, test=other))
    assert parts.sizes == {"train": 27, "dev": 3, "test": 10}
    assert "trained on the queries of dev (27), validated on a part of them (3)" in parts.description


def test_a_part_of_a_row_is_no_size(tmp_path):
    source = beir(tmp_path / "b", DOCUMENTS, QUERIES, test=[(q, "d0", 1) for q in QUERIES])
    with pytest.raises(InputError, match=r"the test part cannot be 2\.5 rows"):
        parts_of(source, test="2.5")


def test_a_file_of_judgements_for_the_test(tmp_path):
    ids = list(QUERIES)
    source = beir(
        tmp_path / "b", DOCUMENTS, QUERIES, one=[(q, "d0", 1) for q in ids], two=[(q, "d1", 1) for q in ids[:5]]
    )
    parts = parts_of(source, split="one", test=str(source / "qrels" / "two.tsv"))
    assert parts.sizes == {"train": 31, "dev": 4, "test": 5}
    (tmp_path / "a.tsv").write_text("query\tdocument\n" + "".join(f"a {i}\tb {i}\n" for i in range(9)))
    with pytest.raises(InputError, match="the test data has no judgements"):
        parts_of(source, split="one", test=str(tmp_path / "a.tsv"))


def test_duplicates_that_are_queries_and_documents_do_not_cross_the_split(tmp_path):
    both = {f"q{i}": f"question {i // 2} in words {i % 2}" for i in range(40)}
    rows = [(f"q{i}", f"q{i ^ 1}", 1) for i in range(40)] + [(f"q{i}", f"q{i}", 1) for i in range(40)]
    parts = parts_of(beir(tmp_path / "b", both, both, test=rows))
    assert parts.sizes == {"train": 28, "dev": 4, "test": 8}
    trained = set.union(*({anchor, *own} for anchor, own in pairs(parts.train)))
    assert not trained & set(parts.test.queries.values())
    # nothing is its own partner
    assert all(own == {both[f"q{int(e_id(both, anchor)) ^ 1}"]} for anchor, own in pairs(parts.train))
    assert "training queries that are documents of the corpus, each no partner of itself: 28" in parts.notes


def e_id(both: dict[str, str], text: str) -> str:
    return next(name[1:] for name, other in both.items() if other == text)


def test_what_is_left_out_is_said(tmp_path):
    rows = [(q, "d0", int(i > 0)) for i, q in enumerate(list(QUERIES)[:30])]
    parts = parts_of(beir(tmp_path / "b", DOCUMENTS, QUERIES, test=rows))
    assert "queries left out, as they are not judged: 10" in parts.notes
    assert "queries left out, as no document is relevant: 1" in parts.notes
    assert sum(parts.sizes.values()) == 29


def test_texts_are_read_once_for_all_judgements(tmp_path):
    source = beir(tmp_path / "b", DOCUMENTS, QUERIES, train=[("q0", "d0", 1)], test=[("q1", "d1", 1)])
    found = read_judgements(source)
    assert {name: list(part.queries) for name, part in found.items()} == {"train": ["q0"], "test": ["q1"]}
    assert found["train"].corpus is found["test"].corpus
    assert read_judgements(tmp_path) == read_judgements("hf:a/b") == {}


def test_cisi_and_scifact_are_split():
    if not (DATA / "scifact").exists():
        pytest.skip(f"no scifact in {DATA}")
    cisi = parts_of(DATA / "cisi", dev=0.05, test=0.1)
    assert cisi.sizes == {"train": 64, "dev": 4, "test": 8}
    assert "queries left out, as they are not judged: 36" in cisi.notes
    scifact = parts_of(DATA / "scifact", dev=0.05)
    assert scifact.sizes == {"train": 767, "dev": 40, "test": 300}
    assert len(scifact.known) == 194
    assert not texts(scifact.train) & texts(scifact.test)


def test_the_included_corpus_in_all_its_languages_or_in_one():
    every = parts_of("included:debian", dev=0.05)
    assert "titles in English, Italian, French, German, Japanese" in every.description
    assert set(every.test.columns["language"].values()) == {"English", "Italian", "French", "German", "Japanese"}
    # no package of dev or test is trained on, in whatever language
    described = [set().union(*(own for _, own in pairs(part))) for part in (every.train, every.dev)]
    answers = {every.test.corpus[d] for gains in every.test.qrels.values() for d in gains}
    assert not described[0] & described[1]
    assert not answers & (described[0] | described[1])
    german = parts_of("included:debian", dev=0.05, split="de")
    assert set(german.test.columns["language"].values()) == {"German"}
    assert texts(german.test) < texts(every.test)
    with pytest.raises(InputError, match="no titles in pl"):
        parts_of("included:debian", split="pl")


def test_texts_alone_are_measured_by_queries_that_find_them(tmp_path):
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in (*DOCUMENTS.values(), *QUERIES.values())))
    rows = [(q, f"d{i % 5}", int(i < 20)) for i, q in enumerate(QUERIES)]
    asked = beir(tmp_path / "asked", DOCUMENTS, QUERIES, test=rows)
    parts = parts_of(tmp_path / "texts.txt", dev=2, test=str(asked))
    # a document may be trained on, it is there for everybody; a query may not, nor is one asked that has no answer
    assert texts(parts.test) == {f"query {i}" for i in range(20)}
    assert not texts(parts.test) & (texts(parts.train) | texts(parts.dev))
    assert set(DOCUMENTS.values()) <= texts(parts.train) | texts(parts.dev)
    assert parts.sizes == {"train": 23, "dev": 2, "test": 20}
    assert "20 rows left out of training" in parts.description
    assert "test: 20 queries left out, as no document is relevant" in parts.description
    # nobody chooses by what is measured
    some = beir(tmp_path / "some", DOCUMENTS, {q: QUERIES[q] for q in ("q0", "q1", "q30")}, test=[
        ("q0", "d0", 1), ("q1", "d0", 1), ("q30", "d0", 1)
    ])  # fmt: skip
    both = parts_of(tmp_path / "texts.txt", dev=str(some), test=str(asked))
    assert texts(both.dev) == {"query 30"}
    assert "dev: 2 queries left out, as they are in the test, too" in both.description
    assert {text for _, _, side in parts.sides() for text in side} >= set(DOCUMENTS.values()) | set(QUERIES.values())


def test_pairs_are_measured_by_queries_whose_texts_are_not_trained_on(tmp_path):
    """Where an answer was a positive in training it is said, and with `strict` the pair is left out."""
    rows = [f"one {i}\tother {i}\n" for i in range(20)] + ["query 2\tother\n", f"another\t{DOCUMENTS['d1']}\n"]
    (tmp_path / "pairs.tsv").write_text("a\tb\n" + "".join(rows))
    asked = beir(tmp_path / "asked", DOCUMENTS, QUERIES, test=[("q1", "d1", 1), ("q2", "d2", 1)])
    parts = parts_of(tmp_path / "pairs.tsv", dev=0, test=str(asked))
    assert texts(parts.test) == {"query 1", "query 2"}
    assert "query 2" not in texts(parts.train)
    assert "another" in texts(parts.train)
    assert parts.known == {"q1"}
    assert "positive in training: 1 of 2" in parts.description
    validated = parts_of(tmp_path / "pairs.tsv", dev=0.5, test=str(asked), strict=True)
    both = texts(validated.train) | texts(validated.dev)
    assert not both & {"query 2", "another"}
    assert len(both) == 20
    strict = parts_of(tmp_path / "pairs.tsv", dev=0, test=str(asked), strict=True)
    assert "another" not in texts(strict.train)
    assert not strict.known


def test_scored_pairs_are_not_measured_by_queries(tmp_path):
    (tmp_path / "sts.tsv").write_text("score\ta\tb\n" + "".join(f"{i % 5}\tone {i}\tother {i}\n" for i in range(20)))
    asked = beir(tmp_path / "asked", DOCUMENTS, QUERIES, test=[("q1", "d1", 1)])
    with pytest.raises(InputError, match="not scored like the training data"):
        parts_of(tmp_path / "sts.tsv", test=str(asked))


def table(file: Path, rows: list[tuple[str, str]]) -> Path:
    file.write_text("query\tdocument\n" + "".join("\t".join(row) + "\n" for row in rows))
    return file


def test_several_sources_share_no_text_with_a_test_of_its_own(tmp_path):
    """An answer alone is enough, dev is kept apart as well, and bad rows are listed."""
    a = table(tmp_path / "a.tsv", [(f"one {i}", f"this {i}") for i in range(20)])
    b = table(tmp_path / "b.tsv", [(f"two {i}", f"that {i}") for i in range(20)])
    test = table(tmp_path / "test.tsv", [("new", "this 3"), ("two 4", "other"), ("bad", " ")])
    reading, listed = {"skip_bad": True}, tmp_path / "run" / "rejected-test.jsonl"
    left = set[str]()
    for seed in range(4):
        parts = load_parts(a, reading, 16, str(test), seed, tmp_path / "run", more=[b])
        every = texts(parts.train) | texts(parts.dev)
        assert (len(every), parts.sizes["test"]) == (38, 2)
        assert not every & {"one 3", "two 4"}
        left |= {part for part in ("rows left out of training", "dev: ") if part in parts.description}
    assert left == {"rows left out of training", "dev: "}
    assert f"test: read 2 pairs from {test}: " in parts.description
    assert f"1 row left out, listed with the reasons in {listed}" in parts.description
    assert len(listed.read_text().splitlines()) == 1
    # it is of none of the sources
    assert not EachSource(parts, None).tasks
    with pytest.raises(InputError, match=r"a\.tsv.*all that is to be trained on is in dev or test"):
        load_parts(a, {}, 0, str(table(tmp_path / "all.tsv", [*pairs_in(a), *pairs_in(b)])), 0, None, more=[b])
    asked = beir(tmp_path / "asked", DOCUMENTS, QUERIES, test=[("q1", "d1", 1)])
    with pytest.raises(InputError, match="the test data are queries with documents, and the sources are several"):
        load_parts(a, {}, 0, str(asked), 0, None, more=[b])


def pairs_in(file: Path) -> list[tuple[str, str]]:
    return [tuple(line.split("\t")) for line in file.read_text().splitlines()[1:]]


def test_a_dev_of_its_own_has_no_text_of_the_test_that_is_cut_off(tmp_path):
    rows = [(f"one {i}", f"this {i}") for i in range(20)]
    a, dev = table(tmp_path / "a.tsv", rows), table(tmp_path / "dev.tsv", [*rows[:10], ("new", "other")])
    parts = parts_of(a, dev=str(dev), test=6)
    assert not texts(parts.dev) & (texts(parts.test) | texts(parts.train))
    assert 4 < parts.sizes["dev"] < 11
    assert "dev: " in parts.description


def test_pictures_may_have_the_caption_of_another_part():
    """Digits have ten captions, and none would be left to train on."""
    rows, words = torch.arange(4), Items("text", ["seven", "eight"])
    grey = torch.ones(7, 1, 2, 2) * torch.arange(7)[:, None, None, None]
    first, second = (Data(Items("image", grey[at : at + 4]), rows, words, rows[:, None] % 2) for at in (0, 3))
    assert _apart(first, second).anchor.tolist() == [0, 1, 2]


def test_options_that_a_source_does_not_know_are_refused(tmp_path):
    whole = beir(tmp_path / "w", DOCUMENTS, QUERIES, train=[("q0", "d0", 1)], test=[("q1", "d1", 1)])
    with pytest.raises(InputError, match="columns= does not apply to queries with documents"):
        load_parts(whole, {"columns": {"anchor": "title"}}, 0, 0.1, 0, None)
    a, b = (table(tmp_path / f"{name}.tsv", [(f"{name} {i}", f"of {i}{name}") for i in range(20)]) for name in "ab")
    for source, more in ((a, [b]), ("digits", [])):
        with pytest.raises(InputError, match="--strict-split is of retrieval data"):
            load_parts(source, {}, 0, 5, 0, None, more=more, strict=True)
    for dev, test in ((str(a), 0.1), (0.1, str(a))):
        with pytest.raises(InputError, match="included:debian: dev and test of the included corpus are its own"):
            load_parts("included:debian", {}, dev, test, 0, None)
    for option in ({"columns": {"anchor": "title"}}, {"schema": "texts"}):
        for read in (load_one, read_source, read_pairs):
            with pytest.raises(InputError, match=f"{next(iter(option))}= does not apply to the included corpus"):
                read("included:debian", option)


def load_one(source: str, reading):
    return load_parts(source, reading, 0.1, 0.1, 0, None)


def read_source(source: str, reading):
    return texts_module.read_source(source, **reading)


def test_the_split_and_the_columns_are_those_of_the_source_alone(tmp_path):
    a = table(tmp_path / "a.tsv", [(f"one {i}", f"this {i}") for i in range(20)])
    asked = beir(tmp_path / "asked", DOCUMENTS, QUERIES, test=[("q1", "d1", 1)], dev=[("q2", "d2", 1), ("q3", "d2", 1)])
    reading = {"columns": {"anchor": "query", "positive": "document"}, "schema": "pairs"}
    parts = load_parts(a, reading, 0, str(asked), 0, None)
    assert texts(parts.test) == {"query 1"}
    parts = parts_of(asked, split="dev", dev=0, test=str(asked))
    assert (texts(parts.train), texts(parts.test)) == ({"query 2", "query 3"}, {"query 1"})
