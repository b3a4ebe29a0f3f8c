"""Pictures with texts: files of captions, tables beside an archive, datasets; and what can be wrong with them."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.data.row_splits import split_data
from counterpoint.data.sources import load_source, source_kind
from counterpoint.errors import InputError
from data.pictures import colours, png, save

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
ROWS = [("a.png", "a cat"), ("a.png", "a small cat"), ("b.png", "a dog"), ("c.png", "a cat")]


def pictures(folder, names="abc"):
    return {f"{name}.png": save(folder, f"{name}.png", colours(6, 6)) for name in names}


def captions(path: Path, rows=ROWS, header=("image", "caption"), mark="\t"):
    path.write_text("".join(mark.join(row) + "\n" for row in ([header] if header else []) + list(rows)))
    return path


def pairs(data):
    """Name of the picture and text of each row."""
    return [
        (data.anchors.names[a], data.others.values[p])
        for a, p in zip(data.anchor.tolist(), data.positives[:, 0].tolist(), strict=True)
    ]


def test_each_picture_with_each_caption_is_a_row(tmp_path):
    arrays = pictures(tmp_path)
    captions(tmp_path / "captions.tsv")
    loaded = load_source(tmp_path)
    data = loaded.data
    assert loaded.kind == source_kind(tmp_path) == "pictures with texts"
    assert (data.schema, data.modalities) == ("pairs", ("image", "text"))
    assert pairs(data) == ROWS
    # a picture is decoded once, a text is kept once
    assert len(data.anchors) == 3
    assert data.others.values == ["a cat", "a small cat", "a dog"]
    for name, pixels in zip(data.anchors.names, data.anchors.tensor, strict=True):
        assert np.array_equal(pixels.numpy(), arrays[name].transpose(2, 0, 1))
    said = loaded.describe()
    assert "read 4 pairs of 3 pictures of 6 x 6 pixels, in colour, and 3 texts, from" in said
    assert "image = 'image', text = 'caption'" in said


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("layout", ["csv", "txt", "metadata", "several", "folder", "headless", "columns", "gz"])
def test_layouts(tmp_path, layout):
    pictures(tmp_path / "images" if layout == "folder" else tmp_path)
    columns = None
    if layout in ("csv", "txt"):
        captions(tmp_path / f"captions.{layout}", mark=",")
    elif layout == "metadata":
        jsonl(tmp_path / "metadata.jsonl", [{"file_name": name, "text": text, "no": 1} for name, text in ROWS])
    elif layout == "several":
        grouped = {name: [text for n, text in ROWS if n == name] for name, _ in ROWS}
        jsonl(tmp_path / "captions.jsonl", [{"image": n, "captions": texts} for n, texts in grouped.items()])
    elif layout == "headless":
        captions(tmp_path / "captions.tsv", header=())
    elif layout == "columns":
        captions(tmp_path / "captions.csv", [("1", *row) for row in ROWS], ("no", "what", "says"), ",")
        columns = {"image": "what", "text": 3}
    elif layout == "gz":
        plain = captions(tmp_path / "captions.tsv")
        (tmp_path / "captions.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    else:
        captions(tmp_path / "captions.tsv")
    assert pairs(load_source(tmp_path, columns=columns).data) == ROWS


def test_labels_of_a_metadata_file(tmp_path):
    pictures(tmp_path)
    captions(tmp_path / "metadata.csv", [("a.png", "x"), ("b.png", "y"), ("c.png", "x")], ("file_name", "label"), ",")
    loaded = load_source(tmp_path)
    assert (loaded.kind, loaded.data.schema) == ("pictures", "labelled")
    assert loaded.data.columns["label"].tolist() == [0, 1, 0]
    assert loaded.data.classes == ("x", "y")


def test_folders_of_parts(tmp_path):
    pictures(tmp_path / "train")
    captions(tmp_path / "train" / "captions.tsv")
    pictures(tmp_path / "test", "x")
    captions(tmp_path / "test" / "captions.tsv", [("x.png", "a horse")])
    loaded = load_source(tmp_path)
    assert pairs(loaded.data) == ROWS
    assert loaded.test is not None
    assert pairs(loaded.test) == [("x.png", "a horse")]
    assert len(loaded.data.anchors) == 3


def test_parts_have_columns_of_one_kind_under_any_names(tmp_path):
    pictures(tmp_path / "train")
    captions(tmp_path / "train" / "captions.tsv")
    pictures(tmp_path / "test", "x")
    path = captions(tmp_path / "test" / "captions.tsv", [("a horse", "x.png")], ("text", "file_name"))
    loaded = load_source(tmp_path)
    assert loaded.test is not None
    assert pairs(loaded.data) == ROWS
    assert pairs(loaded.test) == [("x.png", "a horse")]
    captions(path, [("x.png", "c")], ("image", "label"))
    with pytest.raises(InputError, match=r"test/captions\.tsv: columns for image, label, and in another part"):
        load_source(tmp_path)


BAD = {
    "absent": (("d.png", "a horse"), "the picture 'd.png' is not there"),
    "outside": (("../d.png", "a horse"), r"the picture '\.\./d\.png' is outside the folder"),
    "inside and out": (("x/../../d.png", "a horse"), "is outside the folder"),
    "absolute": (("/etc/d.png", "a horse"), "is outside the folder"),
    "a long name": (("x" * 5000, "a horse"), "is not there"),
    "no picture": (("bad.png", "a horse"), "bad.png is not a picture"),
    "no name": (("", "a horse"), "column 'image' is empty"),
    "no text": (("a.png", " "), "column 'caption' is empty"),
    "three fields": (("a.png", "a", "horse"), "3 fields where the header has 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_has_its_line_and_can_be_skipped(tmp_path, case):
    row, said = BAD[case]
    save(tmp_path, "d.png", colours(6, 6))
    folder = tmp_path / "in"
    pictures(folder)
    (folder / "bad.png").write_bytes(b"no picture")
    captions(folder / "captions.tsv", [ROWS[0], row, *ROWS[1:]])
    with pytest.raises(InputError, match=rf"captions\.tsv:3: .*{said}.*--skip-bad"):
        load_source(folder)
    loaded = load_source(folder, skip_bad=True)
    assert pairs(loaded.data) == ROWS
    assert [(Path(bad.file).name, bad.line) for bad in loaded.rejected] == [("captions.tsv", 3)]
    assert loaded.account(tmp_path / "rejected.jsonl").count("left out") == 1


def test_all_rows_of_a_bad_picture_are_listed(tmp_path):
    pictures(tmp_path)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) - 40])
    captions(tmp_path / "captions.tsv")
    loaded = load_source(tmp_path, skip_bad=True)
    assert pairs(loaded.data) == ROWS[2:]
    assert [bad.line for bad in loaded.rejected] == [2, 3]


def test_pictures_that_no_row_names_are_counted(tmp_path):
    pictures(tmp_path, "abcde")
    captions(tmp_path / "captions.tsv")
    assert "pictures that no row names: 2" in load_source(tmp_path).describe()


def test_bad_folders(tmp_path):
    captions(tmp_path / "captions.tsv")
    with pytest.raises(InputError, match=r"captions\.tsv:2: the picture 'a\.png' is not there"):
        load_source(tmp_path)
    with pytest.raises(InputError, match=r"no picture.*\(the first: the picture 'a\.png' is not there\)"):
        load_source(tmp_path, skip_bad=True)
    pictures(tmp_path)
    captions(tmp_path / "metadata.csv")
    with pytest.raises(InputError, match=r"captions\.tsv and metadata\.csv both say"):
        load_source(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    captions(tmp_path / "captions.tsv", header=("who", "what"), rows=[("one", "a cat"), ("two", "a dog")])
    with pytest.raises(InputError, match="no column for the image"):
        load_source(tmp_path)


def test_a_table_of_texts_that_names_no_picture_here_stays_texts(tmp_path):
    path = captions(tmp_path / "shop.tsv", [("a.png", f"a thing {i}") for i in range(3)], ("image", "title"))
    assert source_kind(path) == "texts"
    pictures(tmp_path)
    assert source_kind(path) == "pictures with texts"
    assert source_kind(path, {"anchor": "title"}) == "texts"
    web = captions(tmp_path / "web.tsv", [("http://x.org/a.png", f"thing {i}") for i in range(3)], ("image", "title"))
    assert source_kind(web) == "texts"


def test_a_table_beside_its_archive(tmp_path):
    arrays = pictures(tmp_path / "in")
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name in arrays:
            archive.add(tmp_path / "in" / name, arcname=name)
    loaded = load_source(captions(tmp_path / "set.tsv"))
    assert pairs(loaded.data) == ROWS
    assert np.array_equal(loaded.data.anchors.tensor[0].numpy(), arrays["a.png"].transpose(2, 0, 1))
    (tmp_path / "set.tar").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"set\.tar: the archive cannot be read"):
        load_source(tmp_path / "set.tsv", columns={"image": 1, "text": 2})


def saved(folder, **columns):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = {"image": datasets.Image(), "caption": datasets.List(datasets.Value("string"))}
    data = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    data.save_to_disk(folder)
    return data


def test_a_dataset_of_pictures_with_several_captions(tmp_path):
    arrays = [colours(6, 6) for _ in range(2)]
    cells = [png(arrays[0]), png(arrays[1]), png(arrays[0])]
    data = saved(tmp_path / "one", image=cells, caption=[["a cat", "a small cat"], ["a dog"], ["my cat"]])
    expected = [("row 1", "a cat"), ("row 1", "a small cat"), ("row 2", "a dog"), ("row 1", "my cat")]
    for source in (tmp_path / "one", data):
        loaded = load_source(source)
        assert pairs(loaded.data) == expected
        # equal pictures are one
        assert len(loaded.data.anchors) == 2
    datasets = pytest.importorskip("datasets")
    both = datasets.DatasetDict(train=data.select([0, 1]), validation=data.select([2]))
    both.save_to_disk(tmp_path / "two")
    for source in (tmp_path / "two", both):
        loaded = load_source(source)
        # what is validated by is not trained on
        assert pairs(loaded.data) == expected[2:3]
        assert loaded.dev is not None
        assert pairs(loaded.dev) == [("row 1", "my cat")]
    assert pairs(load_source(tmp_path / "two", split="validation").data) == [("row 1", "my cat")]
    data.to_parquet(tmp_path / "a.parquet")
    assert pairs(load_source(tmp_path / "a.parquet").data) == expected


def test_the_hub_is_read_as_a_saved_dataset_is(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    data = saved(tmp_path / "one", image=[png(colours(6, 6)) for _ in range(2)], caption=[["a cat"], ["a dog"]])
    splits = datasets.DatasetDict(train=data.select([0]), test=data.select([1]))
    monkeypatch.setattr(datasets, "load_dataset", lambda name, config: splits)
    assert source_kind("hf:some/one") == "pictures with texts"
    loaded = load_source("hf:some/one")
    assert pairs(loaded.data) == [("row 1", "a cat")]
    assert loaded.test is not None
    assert pairs(loaded.test) == [("row 1", "a dog")]
    assert pairs(load_source("hf:some/one:test").data) == [("row 1", "a dog")]


def test_real_captions(tmp_path):
    archive = FOLDER / "imagetext" / "flickr8k_750.tar"
    if not archive.exists():
        pytest.skip(f"no {archive}")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    with gzip.open(FOLDER / "imagetext" / "flickr8k_750.tsv.gz", "rt") as file:
        rows = [tuple(line.rstrip("\n").split("\t")) for line in file][1:]
    captions(tmp_path / "captions.tsv", rows)
    loaded = load_source(tmp_path, size=32)
    assert pairs(loaded.data) == rows
    assert tuple(loaded.data.anchors.tensor.shape) == (750, 3, 32, 32)
    train, dev, test = split_data(loaded.data, test=0.2, dev=0.1)
    assert (len(train), len(dev), len(test)) == (2625, 375, 750)
    anchors = [set(part.anchor.tolist()) for part in (train, dev, test)]
    assert not anchors[0] & anchors[1] | anchors[0] & anchors[2] | anchors[1] & anchors[2]
    beside = load_source(FOLDER / "imagetext" / "flickr8k_750.tsv.gz", size=32)
    assert pairs(beside.data) == rows
    assert torch.equal(beside.data.anchors.tensor, loaded.data.anchors.tensor)


def test_what_else_a_table_says_of_its_pictures(tmp_path):
    rows = ["image,label,domain,angle,url,age,weight"]
    for i in range(4):
        save(tmp_path, f"{i}.png", colours(4, 4))
        rows.append(f"{i}.png,{'ab'[i % 2]},{'ink' if i < 3 else 'oil'},{90 * i},http://{i},{i or ''},0.{i}")
    save(tmp_path, "torn.png", colours(4, 4))
    (tmp_path / "torn.png").write_bytes(b"no picture")
    rows.insert(2, "torn.png,a,oil,5,http://t,1,9")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    loaded = load_source(tmp_path / "table.csv", skip_bad=True)
    assert {name: column.tolist() for name, column in loaded.data.columns.items()} == {
        "label": [0, 1, 0, 1],
        "domain": [0, 0, 0, 1],
        "angle": [0, 90, 180, 270],
        "weight": [pytest.approx(i / 10) for i in range(4)],
    }
    assert loaded.notes[-2:] == ("columns: 'domain', 'angle', 'weight'", "not read: 'url', 'age'")


def test_further_columns_of_frames_are_of_their_rows(tmp_path):
    pandas = pytest.importorskip("pandas")
    pictures = [Image.fromarray(colours(4, 4)) for _ in range(4)]
    frame = pandas.DataFrame(
        {
            "image": pictures,
            "caption": list("wxyz"),
            "colour": [[0.0, 1.0], [2.0, 3.0]] * 2,
            "other": pictures,
            "score": 1,
            "hash": [2**63 + i for i in range(4)],
            "small": np.arange(4, dtype=np.uint64),
        }
    )
    data = load_source(frame).data
    assert data.schema == "pairs"
    assert {name: column.tolist() for name, column in data.columns.items()} == {
        "colour": [[0, 1], [2, 3]] * 2,
        "small": [0, 1, 2, 3],
    }
