"""Several sources as one: all rows are there, each says where it is from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data.several import load_sources
from counterpoint.data.sources import load_source
from counterpoint.errors import InputError
from data.pictures import colours, save

words = st.sampled_from(["a cat", "a dog", "a rose", "a tree"])
sources = st.lists(st.lists(st.tuples(words, words), min_size=1, max_size=5), min_size=2, max_size=4)


@given(sources=sources)
def test_rows_of_texts_are_those_of_the_sources(sources):
    loaded = load_sources([[{"question": a, "answer": b} for a, b in source] for source in sources])
    data = loaded.data
    rows = [
        (data.anchors.values[a], data.others.values[p])
        for a, p in zip(data.anchor.tolist(), data.positives[:, 0].tolist(), strict=True)
    ]
    assert rows == [row for source in sources for row in source]
    assert data.columns["source"].tolist() == [i for i, source in enumerate(sources) for _ in source]
    assert loaded.sources == ("memory",) * len(sources)


def test_labels_keep_their_names(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na cat,animal\na rose,plant\na dog,animal\n")
    (tmp_path / "b.csv").write_text("text,label\nthe sun,star\na fern,plant\n")
    loaded = load_sources([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert [loaded.data.classes[i] for i in loaded.data.columns["label"]] == [
        "animal",
        "plant",
        "animal",
        "star",
        "plant",
    ]
    assert "3 from " in loaded.describe()
    assert loaded.describe().startswith("read 5 labelled texts from ")


def test_pairs_and_tuples_go_together():
    pairs, tuples = [("q1", "p1"), ("q2", "p2")], [{"anchor": "q3", "positive": "p3", "negative": "n3"}]
    loaded = load_sources([[{"anchor": a, "positive": p} for a, p in pairs], tuples])
    assert loaded.data.schema == "tuples"
    assert loaded.data.negatives.tolist() == [[-1], [-1], [3]]
    assert loaded.texts.schema == "tuples"


def test_pictures_of_several_folders(tmp_path):
    one = {name: save(tmp_path / "one", name, colours(6, 6)) for name in ("cat/a.png", "dog/a.png")}
    two = {
        name: save(tmp_path / "two", name, np.full((6, 6), 9 * i, np.uint8))
        for i, name in enumerate(("ant/a.png", "dog/b.png"))
    }
    loaded = load_sources([tmp_path / "one", tmp_path / "two"])
    data = loaded.data
    assert tuple(data.anchors.names) == (*one, *two)
    assert [data.classes[i] for i in data.columns["label"]] == ["cat", "dog", "ant", "dog"]
    assert data.columns["source"].tolist() == [0, 0, 1, 1]
    assert np.array_equal(data.anchors.tensor[1].numpy(), one["dog/a.png"].transpose(2, 0, 1))
    assert data.anchors.tensor[3].unique().tolist() == [9]
    assert "grey pictures are in three equal colours" in loaded.describe()


def test_pictures_with_texts_of_several_folders(tmp_path):
    for folder in ("one", "two"):
        for name in ("a", "b"):
            save(tmp_path / folder, f"{name}.png", colours(6, 6))
        (tmp_path / folder / "captions.csv").write_text(
            f"image,caption\na.png,{folder} a\nb.png,{folder} b\na.png,more\n"
        )
    loaded = load_sources([tmp_path / "one", tmp_path / "two"])
    data = loaded.data
    assert [data.others.values[p] for p in data.positives[:, 0]] == ["one a", "one b", "more", "two a", "two b", "more"]
    assert data.anchor.tolist() == [0, 1, 0, 2, 3, 2]
    assert torch.equal(data.anchors.tensor[2:], load_source(tmp_path / "two").data.anchors.tensor)
    assert loaded.columns == {"image": "image", "text": "caption"}


def test_parts_and_columns_that_not_all_have(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((4, 6, 6)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(4), x_test=x[:1] / 2, y_test=np.arange(1))
    np.savez(tmp_path / "b.npz", x=rng.integers(0, 256, (3, 6, 6), dtype=np.uint8), y=np.arange(3), domain=np.arange(3))
    loaded = load_sources([tmp_path / "a.npz", tmp_path / "b.npz"])
    assert loaded.data.columns.keys() == {"label", "source"}
    assert len(loaded.data) == 7
    # floating point stays what it is, and so the others become
    assert torch.equal(loaded.data.anchors.tensor[:4, 0], torch.from_numpy(x))
    assert float(loaded.data.anchors.tensor.max()) <= 1
    assert loaded.test is not None
    assert loaded.test.columns["source"].tolist() == [0]
    assert any("domain" in note for note in loaded.notes)
    assert any(note.startswith("test of") and "a.npz alone" in note for note in loaded.notes)


def test_a_split_of_files_alone_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na cat,animal\na rose,plant\n")
    with pytest.raises(InputError, match="split= does not apply to files"):
        load_sources([tmp_path / "a.csv", tmp_path / "a.csv"], split="train")


def test_a_source_of_another_kind_is_refused(tmp_path):
    (tmp_path / "texts.tsv").write_text("question\tanswer\na\tb\nc\td\n")
    (tmp_path / "scored.tsv").write_text("text1\ttext2\tscore\na\tb\t0.5\nc\td\t0.1\n")
    (tmp_path / "graph.tsv").write_text("head\trelation\ttail\na\tb\tc\n")
    save(tmp_path / "small", "a.png", colours(6, 6))
    save(tmp_path / "large", "a.png", colours(9, 9))
    save(tmp_path / "classes", "x/a.png", colours(6, 6))
    save(tmp_path / "classes", "y/a.png", colours(6, 6))
    said = {
        ("texts.tsv", "small"): "small: holds pictures, and .*texts.tsv texts; give sources of one kind",
        ("small", "graph.tsv"): "graph.tsv: holds triples, and .*small pictures",
        ("texts.tsv", "scored.tsv"): "scored.tsv: holds scored, and .*texts.tsv pairs",
        ("classes", "small"): "small: holds items, and .*classes labelled",
        ("small", "large"): "pictures of 6 x 6 and of 9 x 9 pixels; give them one size",
    }
    for names, sentence in said.items():
        with pytest.raises(InputError, match=sentence):
            load_sources([tmp_path / name for name in names])
    assert len(load_sources([tmp_path / "small", tmp_path / "large"], size=4).data) == 2
    with pytest.raises(InputError, match="no source"):
        load_sources([])
    with pytest.raises(InputError, match="sources must be a list of strings, not one string"):
        load_sources(str(tmp_path / "texts.tsv"))


def test_bad_rows_of_all_are_listed(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.tsv").write_text("question\tanswer\na\tb\n\tx\nc\td\n")
    loaded = load_sources([tmp_path / "a.tsv", tmp_path / "b.tsv"], skip_bad=True)
    assert [(bad.file, bad.line) for bad in loaded.rejected] == [(str(tmp_path / f"{n}.tsv"), 3) for n in "ab"]
    assert "2 rows left out, listed with the reasons in" in loaded.account(tmp_path / "rejected.jsonl")
