"""Data in memory give what the same data in files give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.data import Example, TextData
from counterpoint.data.images import digits
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.data.several import load_sources
from counterpoint.data.sources import load_source, source_kind
from counterpoint.errors import InputError
from data.pictures import colours, png, save

PAIRS = [("what is a cat?", "an animal"), ("what is a rose?", "a flower"), ("what is a dog?", "an animal")]
COLUMNS = ("question", "answer")


def same(one: Data, other: Data) -> bool:
    def values(items):
        return (
            items if items is None else items.values if isinstance(items.values, torch.Tensor) else list(items.values)
        )

    def equal(a, b):
        return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b

    tensors = [
        (one.anchor, other.anchor),
        (one.positives, other.positives),
        *((column, other.columns.get(name)) for name, column in one.columns.items()),
        (values(one.anchors), values(other.anchors)),
        (values(one.others), values(other.others)),
    ]
    return one.columns.keys() == other.columns.keys() and all(equal(a, b) for a, b in tensors)


def tables(rows, columns):
    """The same rows in every form of a table with named columns."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    datasets, pyarrow = pytest.importorskip("datasets"), pytest.importorskip("pyarrow")
    by_column = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    yield [dict(zip(columns, row, strict=True)) for row in rows]
    yield pandas.DataFrame(by_column)
    yield polars.DataFrame(by_column)
    yield pyarrow.table(by_column)
    yield datasets.Dataset.from_dict(by_column)


def write(path: Path, rows, columns=()):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in ([columns] if columns else []) + list(rows)))
    return path


CASES = {
    "pairs": (PAIRS, COLUMNS),
    "labelled": ([("a cat", "animal"), ("a rose", "plant"), ("a dog", "animal")] * 3, ("text", "label")),
    "scored": ([("a cat", "a dog", 0.5), ("a rose", "a dog", 0.1), ("a", "b", 0.3)], ("text1", "text2", "score")),
    "triples": (
        [("ann", "knows", "bob"), ("bob", "knows", "ann"), ("ann", "likes", "eve")],
        ("head", "relation", "tail"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_tables_are_read_as_files_are(tmp_path, case):
    rows, columns = CASES[case]
    expected = load_source(write(tmp_path / "a.tsv", rows, columns))
    for table in tables(rows, columns):
        loaded = load_source(table)
        assert loaded.kind == expected.kind
        assert same(loaded.data, expected.data)
        assert loaded.describe().startswith(expected.describe().split(" from ")[0])
        assert " from memory" in loaded.describe()


def test_lists_of_texts_and_of_tuples(tmp_path):
    loaded = load_source([q for q, _ in PAIRS])
    assert (loaded.data.schema, loaded.data.anchors.values) == ("items", [q for q, _ in PAIRS])
    assert same(load_source(PAIRS).data, load_source(write(tmp_path / "a.tsv", PAIRS)).data)
    assert load_source([(f"it is no. {i}", i % 2) for i in range(10)]).data.schema == "labelled"
    triples = [("ann", "knows", "bob"), ("bob", "knows", "ann"), ("eve", "knows", "bob")]
    assert source_kind(triples) == "triples"


def test_what_is_missing_in_a_frame_is_missing():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"question": ["a", None, "c"], "answer": ["x", "y", float("nan")]})
    with pytest.raises(InputError, match="memory:2: column 'question' is empty"):
        load_source(frame)
    loaded = load_source(frame, skip_bad=True)
    assert len(loaded.data) == 1
    assert [bad.line for bad in loaded.rejected] == [2, 3]
    tuples = pandas.DataFrame({"query": ["a", "b"], "positive": ["x", "y"], "negative": ["z", None]})
    assert load_source(tuples).data.negatives.tolist() == [[1], [-1]]


def test_pictures_in_tables(tmp_path):
    arrays = [save(tmp_path, f"{i}.png", colours(6, 6)) for i in range(2)]
    files = [str(tmp_path / f"{i}.png") for i in range(2)]
    opened = [Image.open(file) for file in files]
    texts = ["a cat", "a dog"]
    expected = torch.from_numpy(np.stack(arrays).transpose(0, 3, 1, 2))
    for cells in (files, opened, [png(array) for array in arrays]):
        loaded = load_source([{"image": cell, "caption": text} for cell, text in zip(cells, texts, strict=True)])
        assert (loaded.kind, loaded.data.others.values) == ("pictures with texts", texts)
        assert torch.equal(loaded.data.anchors.tensor, expected)
        loaded = load_source(list(zip(cells, texts, strict=True)))
        assert (loaded.kind, loaded.data.others.values) == ("pictures with texts", texts)
        assert load_source(list(zip(cells, [3, 5], strict=True))).data.classes == ("3", "5")
    alone = load_source(opened)
    assert alone.data.schema == "items"
    assert torch.equal(alone.data.anchors.tensor, expected)
    with pytest.raises(InputError, match=r"memory:2: the picture '.*none\.png' is not there"):
        load_source([{"image": files[0], "caption": "a"}, {"image": str(tmp_path / "none.png"), "caption": "b"}])


def test_arrays():
    pictures, labels = colours(4, 6, 6), [1, 0, 1, 0]
    expected = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy())
    for source in (pictures, expected, expected / 255, expected.double() / 255):
        loaded = load_source(source)
        assert (loaded.kind, loaded.data.schema) == ("pictures", "items")
        assert torch.equal(loaded.data.anchors.tensor, expected)
    for source in ((pictures, labels), (expected, torch.tensor(labels)), {"images": pictures, "labels": labels}):
        assert load_source(source).data.columns["label"].tolist() == labels
    assert load_source({"x_train": pictures, "x_test": pictures[:2]}).test is not None


def test_what_is_rows_already():
    data = Data.alone(Items("text", ["a", "b"]))
    assert load_source(data).data is data
    texts = TextData("pairs", [Example("a", ("b",))], "here")
    assert same(load_source(texts).data, rows_of(texts.examples))
    assert same(load_source(texts.examples).data, rows_of(texts.examples))
    assert load_source(texts.examples).describe() == "read 1 row from memory"
    assert load_source(data).describe() == "read 2 rows from memory"
    assert load_source(digits()).data.schema == "labelled"
    loaded = load_source(PAIRS)
    assert load_source(loaded) is loaded


@pytest.mark.parametrize("source", [[], 5, [5], {"a": 1}, b"abc", [b"abc"], {}])
def test_what_is_none_of_these(source):
    with pytest.raises(InputError, match=r"memory: (no rows|data of type|a list of)"):
        load_source(source)


def test_names_of_files_are_no_texts(tmp_path):
    files = [str(write(tmp_path / f"{i}.tsv", PAIRS)) for i in range(2)]
    with pytest.raises(InputError, match="2 names of files, which are texts here; give one file, or several"):
        load_source(files)
    assert load_source([*files, "x" * 5000]).data.schema == "items"


def test_what_can_be_gone_through_once_is_read_once():
    assert len(load_source(iter(PAIRS)).data) == 3
    assert len(load_sources([iter(PAIRS), iter(PAIRS)]).data) == 6


def test_no_package_is_imported_for_data_of_another():
    code = """
import sys
from counterpoint.data.several import load_sources
from counterpoint.data.sources import load_source
load_source([("a", "b"), ("c", "d")])
print([name for name in ("pandas", "polars", "datasets") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("labels", [[0.0, float("nan"), 1.0, 1.0], ["a", None, "b", "b"]])
def test_a_label_that_is_missing_is_no_class(labels):
    with pytest.raises(InputError, match=r"memory:2: the label is missing"):
        load_source((np.zeros((4, 8, 8)), labels))


def test_a_column_is_no_table():
    pd = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="a Series where rows belong"):
        load_source(pd.Series(["a", "b"]))
