"""Texts with several labels: lists in a cell, several columns; read, said and checked."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Example, TextData, check_trainable, describe, read
from counterpoint.errors import InputError

ROWS = [("one", ["b", "a"]), ("two", []), ("three", ["a"]), ("four", ["c", "a", "c"])]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("labels")


@pytest.mark.parametrize("column", ["label", "labels", "tags", "topics"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_a_list_is_a_set_of_labels(tmp_path, column, suffix):
    rows = [{"text": text, column: labels} for text, labels in ROWS]
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        jsonl(path, rows)
    data = read(path)
    assert data.schema == "labelled"
    assert data.multilabel
    assert [e.labels for e in data.examples] == [("b", "a"), (), ("a",), ("c", "a")]
    assert all(e.label is None for e in data.examples)
    said = f"label = '{column}' (3 labels, 0 to 2 a row); 1 row has no label and so no positive"
    assert describe(data).endswith(said)


texts = st.text("abc ", min_size=1).filter(lambda t: t.strip())


@given(rows=st.lists(st.tuples(texts, st.lists(texts)), min_size=1))
def test_what_was_written_is_read(folder, rows):
    table = [{"text": text, "labels": labels} for text, labels in rows]
    pq.write_table(
        pa.Table.from_pylist(table, pa.schema({"text": pa.string(), "labels": pa.list_(pa.string())})),
        folder / "a.parquet",
    )
    jsonl(folder / "a.jsonl", table)
    for name in ("a.parquet", "a.jsonl") if any(labels for _, labels in rows) else ("a.parquet",):
        examples = read(folder / name).examples
        assert [(e.anchor, e.labels) for e in examples] == [(t, tuple(dict.fromkeys(labels))) for t, labels in rows]


def test_several_columns_of_labels(tmp_path):
    (tmp_path / "a.csv").write_text("text,place,mood\none,sea,good\ntwo,sea,\nthree,,\nfour,town,bad\n")
    data = read(tmp_path / "a.csv", columns={"label": ("place", "mood")})
    assert [e.labels for e in data.examples] == [
        ("place=sea", "mood=good"),
        ("place=sea",),
        (),
        ("place=town", "mood=bad"),
    ]
    assert data.columns["label"] == "place, mood"


def test_labels_in_one_cell_are_divided_only_when_told(tmp_path):
    (tmp_path / "a.csv").write_text('text,tags\none,"a; b, c"\ntwo,\nthree,a\n')
    data = read(tmp_path / "a.csv", columns={"labels": "tags", "text": "text"})
    assert [e.labels for e in data.examples] == [("a", "b, c"), (), ("a",)]
    assert "labels divided at ';'" in describe(data)
    (tmp_path / "b.csv").write_text('text,label\none,"a; b"\ntwo,c\n')
    assert [e.label for e in read(tmp_path / "b.csv").examples] == ["a; b", "c"]
    (tmp_path / "c.csv").write_text("text,label\none,a b\ntwo,c\n")
    whole = read(tmp_path / "c.csv", columns={"labels": "label"})
    assert [e.labels for e in whole.examples] == [("a b",), ("c",)]


def test_a_single_label_stays_a_label(tmp_path):
    data = read(jsonl(tmp_path / "a.jsonl", [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]))
    assert not data.multilabel
    assert [e.label for e in data.examples] == ["x", "y"]
    mixed = read(jsonl(tmp_path / "b.jsonl", [{"text": "a", "label": "x"}, {"text": "b", "label": ["y", "x"]}]))
    assert [e.labels for e in mixed.examples] == [("x",), ("y", "x")]
    tags = read(jsonl(tmp_path / "c.jsonl", [{"text": "a", "tags": "x"}, {"text": "b", "tags": "y"}]))
    assert tags.schema == "texts"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a", None], "'labels' is empty"),
        (["a", " "], "'labels' is empty"),
        ([["a"]], "'labels' is a list where a label belongs"),
        ([1.5], "'labels' is a number where a label belongs"),
        (None, "'labels' is empty \\(a row without labels has an empty list\\)"),
        ({"a": 1}, "'labels' is an object where a label belongs"),
    ],
)
def test_bad_sets(tmp_path, labels, words):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "one", "labels": ["a"]}, {"text": "two", "labels": labels}])
    with pytest.raises(InputError, match=words) as error:
        read(path)
    assert error.value.line == 2
    assert [r.line for r in read(path, skip_bad=True).rejected] == [2]


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ([(), ()], "no row has a label"),
        ([("a",), ("a",)], "all rows have the label 'a'"),
        ([("a", "b"), ("b", "a")], "all rows have the same labels"),
        ([("a",), ("b", "c")], "no label occurs twice"),
    ],
)
def test_too_little_to_train_on(sets, words):
    data = TextData("labelled", [Example(f"text {i}", labels=labels) for i, labels in enumerate(sets)], "a.jsonl")
    with pytest.raises(InputError, match=words):
        check_trainable(data)


def test_one_label_and_none_can_be_told_apart():
    rows = [Example("a", labels=("x",)), Example("b", labels=("x",)), Example("c", labels=())]
    check_trainable(TextData("labelled", rows, "a.jsonl"))


def test_the_names_of_classes_in_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    names = datasets.ClassLabel(names=["joy", "fear"])
    features = datasets.Features({"text": datasets.Value("string"), "labels": datasets.Sequence(names)})
    saved = datasets.Dataset.from_dict({"text": ["a", "b"], "labels": [[1, 0], [1]]}, features=features)
    saved.save_to_disk(tmp_path / "saved")
    assert [e.labels for e in read(tmp_path / "saved").examples] == [("fear", "joy"), ("fear",)]
    named = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]}, split="train")
    named.save_to_disk(tmp_path / "named")
    assert len(read(tmp_path / "named", split="train").examples) == 2
    for folder, split in (("named", "test"), ("saved", "train")):
        with pytest.raises(InputError, match="split= does not apply to a dataset of one split"):
            read(tmp_path / folder, split=split)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.DatasetDict({"train": saved}))
    assert [e.labels for e in read("hf:owner/name").examples] == [("fear", "joy"), ("fear",)]
