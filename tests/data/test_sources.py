"""What a source is told to be, and options that do not apply to it."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.data import read
from counterpoint.data.rows import rows_of
from counterpoint.data.sources import load_source, source_kind
from counterpoint.errors import InputError
from data.pictures import colours, save


def make(tmp_path):
    """One source of each kind and layout."""
    (tmp_path / "texts.tsv").write_text("question\tanswer\na\tb\nc\td\n")
    (tmp_path / "graph.tsv").write_text("head\trelation\ttail\na\tb\tc\n")
    for name in ("flat/a.png", "shown/a.png", "classes/x/a.png", "classes/y/a.png"):
        save(tmp_path, name, colours(6, 6))
    (tmp_path / "shown" / "captions.tsv").write_text("image\tcaption\na.png\ta cat\n")
    np.savez(tmp_path / "arrays.npz", images=colours(4, 6, 6))
    (tmp_path / "beir" / "qrels").mkdir(parents=True)
    (tmp_path / "beir" / "corpus.jsonl").write_text('{"_id": "d1", "text": "one"}\n{"_id": "d2", "text": "two"}\n')
    (tmp_path / "beir" / "queries.jsonl").write_text('{"_id": "q", "text": "un"}\n')
    (tmp_path / "beir" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td2\t2\nq\td1\t0\n")
    return {
        "texts.tsv": ("texts", ("text", "text"), ("columns", "schema", "split")),
        "beir": ("texts", ("text", "text"), ("columns", "schema", "split")),
        "graph.tsv": ("triples", ("query", "entity"), ("columns",)),
        "flat": ("pictures", ("image", None), ("size",)),
        "classes": ("pictures", ("image", None), ("size",)),
        "shown": ("pictures with texts", ("image", "text"), ("columns", "size")),
        "arrays.npz": ("pictures", ("image", None), ()),
    }


def test_kinds_and_options(tmp_path):
    options = {"columns": {"label": 1}, "schema": "pairs", "split": "test", "size": 4}
    for name, (kind, modalities, used) in make(tmp_path).items():
        path = tmp_path / name
        assert source_kind(path) == source_kind(str(path)) == kind
        loaded = load_source(path)
        assert (loaded.kind, loaded.data.modalities) == (kind, modalities)
        assert str(path) in loaded.describe()
        for option, value in options.items():
            if option not in used:
                with pytest.raises(InputError, match=f"{option}= does not apply to"):
                    load_source(path, **{option: value})


def test_texts_are_what_read_gives(tmp_path):
    make(tmp_path)
    loaded, texts = load_source(tmp_path / "texts.tsv"), read(tmp_path / "texts.tsv")
    assert loaded.texts == texts
    expected = rows_of(texts.examples)
    assert loaded.data.anchors.values == expected.anchors.values
    assert loaded.data.positives.tolist() == expected.positives.tolist()


def test_judgements_are_rows_over_the_whole_corpus(tmp_path):
    make(tmp_path)
    data = load_source(tmp_path / "beir").data
    assert data.others.names == ("d1", "d2")
    assert (data.anchor.tolist(), data.positives.tolist(), data.columns["gain"].tolist()) == ([0], [[1]], [2.0])


def test_what_is_not_there(tmp_path):
    (tmp_path / "texts.tsv").write_text("a\n")
    with pytest.raises(InputError, match=r"no such file or folder; did you mean .*texts\.tsv"):
        load_source(tmp_path / "text.tsv")
    (tmp_path / "a.docx").write_text("a")
    with pytest.raises(InputError, match="unknown kind of file"):
        load_source(tmp_path / "a.docx")
