"""Folders and arrays of pictures as rows: kept as uint8, in parts, and what can be wrong with them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.data.decoding import Encoded, decode
from counterpoint.data.sources import load_source, source_kind
from counterpoint.data.types import Rejects
from counterpoint.errors import InputError
from data.pictures import bomb, colours, save

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))


def channels_first(arrays):
    return torch.from_numpy(np.stack(list(arrays)).transpose(0, 3, 1, 2))


def test_a_flat_folder_is_pictures_alone_and_stays_uint8(tmp_path):
    arrays = {name: save(tmp_path, name, colours(6, 8)) for name in ("b.png", "a.bmp", "c.PNG")}
    (tmp_path / "README.txt").write_text("about")
    loaded = load_source(tmp_path)
    assert (loaded.kind, loaded.data.schema) == ("pictures", "items")
    assert loaded.data.anchors.names == ("a.bmp", "b.png", "c.PNG")
    assert torch.equal(loaded.data.anchors.tensor, channels_first(arrays[name] for name in loaded.data.anchors.names))
    assert "3 pictures of 8 x 6 pixels, in colour, from" in loaded.describe()
    assert "not read: 1 that are no pictures by their names (such as README.txt)" in loaded.describe()


def test_folders_train_and_test_are_parts(tmp_path):
    names = ["train/cat/a.png", "train/dog/a.png", "train/dog/b.png", "val/cat/a.png", "Test/ant/a.png"]
    arrays = {name: save(tmp_path, name, colours(8, 8)) for name in names}
    loaded = load_source(tmp_path)
    parts = [loaded.data, loaded.dev, loaded.test]
    assert [part.anchors.names for part in parts] == [tuple(names[:3]), tuple(names[3:4]), tuple(names[4:])]
    assert [[part.classes[i] for i in part.columns["label"]] for part in parts] == [
        ["cat", "dog", "dog"],
        ["cat"],
        ["ant"],
    ]
    for part in parts:
        assert torch.equal(part.anchors.tensor, channels_first(arrays[name] for name in part.anchors.names))


def test_what_is_in_the_test_is_not_trained_on(tmp_path):
    for name in ("train/cat/a.png", "train/dog/a.png"):
        save(tmp_path, name, colours(8, 8))
    for name in ("train/dog/b.png", "test/cat/a.png"):
        save(tmp_path, name, np.full((8, 8, 3), 7, np.uint8))
    loaded = load_source(tmp_path)
    assert [loaded.data.anchors.names[i] for i in loaded.data.anchor] == ["train/cat/a.png", "train/dog/a.png"]
    assert "left out of training, as what is measured by has them, too: 1" in loaded.describe()


def test_what_was_done_to_them_is_said(tmp_path):
    save(tmp_path, "a.png", colours(8, 8))
    save(tmp_path, "b.png", np.zeros((8, 8), np.uint8))
    save(tmp_path, "c.png", np.zeros((6, 9, 4), np.uint8))
    said = load_source(tmp_path, size=4).describe()
    assert "3 resized, the middle square of each (from 8 to 9 x 6 to 8)" in said
    assert "made RGB, over white where they are transparent: 1 of mode L, 1 of mode RGBA" in said
    # a printer's colours, and a palette
    Image.fromarray(colours(8, 8)).convert("CMYK").save(tmp_path / "d.tif")
    Image.fromarray(colours(8, 8)).quantize(16).save(tmp_path / "e.gif")
    assert load_source(tmp_path, size=4).data.anchors.tensor.shape == (5, 3, 4, 4)


def test_a_mixed_folder_is_refused(tmp_path):
    for name in ("a/a.png", "b/a.png", "b/b.png", "c.png"):
        save(tmp_path, name, colours(4, 4))
    with pytest.raises(InputError, match=r"c\.png: a picture of no class beside folders of classes; put it into one"):
        load_source(tmp_path)
    loaded = load_source(tmp_path, skip_bad=True)
    assert len(loaded.data) == 3
    assert [Path(bad.file).name for bad in loaded.rejected] == ["c.png"]
    (tmp_path / "c.png").unlink()
    (tmp_path / "pairs.tsv").write_text("a\tb\n")
    with pytest.raises(InputError, match=r"pairs\.tsv: texts beside pictures"):
        load_source(tmp_path)
    assert len(load_source(tmp_path, skip_bad=True).data) == 3


def test_bad_pictures_are_left_out_and_listed(tmp_path):
    for name in ("a/a.png", "b/a.png", "b/b.png"):
        save(tmp_path, name, colours(8, 8))
    whole = (tmp_path / "b" / "a.png").read_bytes()
    (tmp_path / "a" / "torn.png").write_bytes(whole[:-60])
    (tmp_path / "a" / "none.png").write_bytes(b"no picture")
    save(tmp_path, "b/deep.png", np.zeros((4, 4), np.uint16))
    bomb(tmp_path / "b" / "bomb.png")
    with pytest.raises(InputError, match=r"\.png: .*, or go on without bad rows with skip_bad \(--skip-bad\)\."):
        load_source(tmp_path)
    loaded = load_source(tmp_path, skip_bad=True)
    assert loaded.data.anchors.names == ("a/a.png", "b/a.png", "b/b.png")
    bad = {Path(each.file).name: each.reason for each in loaded.rejected}
    assert bad.keys() == {"torn.png", "none.png", "deep.png", "bomb.png"}
    assert bad["none.png"] == "not a picture"
    assert "more than 8 bits" in bad["deep.png"]
    assert "exceeds limit" in bad["bomb.png"]
    listed = tmp_path / "rejected.jsonl"
    assert f"; 4 rows left out, listed with the reasons in {listed}" in loaded.account(listed)
    assert listed.read_text().count("\n") == 4
    # a size that only a bad picture has is nobody's
    assert loaded.data.anchors.tensor.shape[2:] == (8, 8)


def test_folders_of_nothing(tmp_path):
    with pytest.raises(InputError, match="an empty folder"):
        load_source(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="no known layout; known are"):
        load_source(tmp_path)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"no picture can be read \(the first: not a picture\)"):
        load_source(tmp_path / "flat", skip_bad=True)
    save(tmp_path / "one", "a/a.png", colours(4, 4))
    with pytest.raises(InputError, match="labels are all the same; give two classes or more"):
        load_source(tmp_path / "one")
    save(tmp_path / "deep", "x/y/z.png", colours(4, 4))
    with pytest.raises(InputError, match=r"no pictures in it or its folders; give the folder above .*x/y"):
        load_source(tmp_path / "deep")


def test_a_file_whose_name_is_no_text(tmp_path):
    save(tmp_path, "a.png", colours(4, 4))
    (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"b\xff.png"))
    assert load_source(tmp_path).data.anchors.names == ("b?.png",)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_decoding_against_one_picture_at_a_time(kind):
    rng = np.random.default_rng(1)
    files = []
    for i in range(300):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (9 + i % 7, 12, 3), dtype=np.uint8)).save(
            buffer, kind.replace("jpg", "jpeg")
        )
        files.append(buffer.getvalue())
    heard = []
    encoded = [Encoded(file, "a", i + 1, f"no. {i}") for i, file in enumerate(files)]
    decoded = decode(lambda: encoded, "a", reject=Rejects("a"), progress=lambda *each: heard.append(each))
    for file, ours in zip(files, decoded.pixels, strict=True):
        picture = Image.open(io.BytesIO(file))
        width, height = picture.size
        side = min(width, height)
        box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
        theirs = np.asarray(picture.resize((9, 9), Image.Resampling.BOX, box)).transpose(2, 0, 1)
        assert np.array_equal(ours.numpy(), theirs)
    assert heard == [(256, 300), (300, 300)]


def test_a_picture_torn_behind_its_header_is_left_out_of_the_middle():
    buffer = io.BytesIO()
    Image.fromarray(colours(32, 32)).save(buffer, "PNG")
    whole = buffer.getvalue()
    files = [Encoded(whole, "a", 1, "x"), Encoded(whole[:900], "a", 2, "y"), Encoded(whole, "a", 3, "z")]
    reject = Rejects("a", skip=True)
    decoded = decode(lambda: files, "a", reject=reject)
    assert decoded.kept.tolist() == [True, False, True]
    assert len(decoded.pixels) == 2
    assert [(bad.line, bad.row) for bad in reject.rows] == [(2, "y")]
    with pytest.raises(InputError, match=r"a:2: the picture y cannot be read"):
        decode(lambda: files, "a", reject=Rejects("a"))


def test_arrays_in_parts(tmp_path):
    train, test = colours(6, 5, 5), colours(2, 5, 5)
    parts = {"x_train": train, "y_train": np.arange(6) % 3, "x_test": test, "y_test": np.array([0, 2])}
    np.savez(tmp_path / "a.npz", **parts, names=np.array(["ant", "bee", "cat"]), other=np.zeros((2, 2)))
    loaded = load_source(tmp_path / "a.npz")
    assert torch.equal(loaded.data.anchors.tensor, channels_first(train))
    assert torch.equal(loaded.test.anchors.tensor, channels_first(test))
    assert loaded.data.classes == loaded.test.classes == ("ant", "bee", "cat")
    assert loaded.test.columns["label"].tolist() == [0, 2]
    assert loaded.notes == ("not read: 'other'",)


def test_arrays_without_labels_and_of_other_types(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=grey.astype(np.float32) / 255)
    whole = load_source(tmp_path / "a.npz").data
    assert whole.schema == "items"
    assert torch.equal(whole.anchors.tensor, torch.from_numpy(grey)[:, None])
    between = np.full((5, 4, 4), 0.3005, np.float32)
    np.savez(tmp_path / "a.npz", images=between)
    assert torch.equal(load_source(tmp_path / "a.npz").data.anchors.tensor, torch.from_numpy(between)[:, None])
    np.savez(tmp_path / "a.npz", x=(grey > 99).astype(np.uint8))
    loaded = load_source(tmp_path / "a.npz")
    assert loaded.data.anchors.tensor.unique().tolist() == [0, 255]
    assert loaded.notes == ("0 and 1 are black and white",)


def test_numbers_beside_pictures_are_columns_as_they_are(tmp_path):
    known = {
        "angle": np.array([90, 0, 45, 90], np.uint8),
        "weight": np.array([0.5, -1, 2, 0]),
        "colour": np.arange(12).reshape(4, 3) / 16,
        "turned": np.array([True, False, False, True]),
        "domain": np.array(["sketch", "photo", "photo", "art"]),
    }
    np.savez(tmp_path / "a.npz", x=IMAGES, label=np.array(list("abab")), **known, stroke=np.zeros((4, 2, 2)))
    loaded = load_source(tmp_path / "a.npz")
    columns = loaded.data.columns
    assert {name: (column.dtype, column.tolist()) for name, column in columns.items()} == {
        "label": (torch.int64, [0, 1, 0, 1]),
        "angle": (torch.int64, [90, 0, 45, 90]),
        "weight": (torch.float32, [0.5, -1, 2, 0]),
        "colour": (torch.float32, known["colour"].tolist()),
        "turned": (torch.int64, [1, 0, 0, 1]),
        "domain": (torch.int64, [2, 1, 1, 0]),
    }
    assert loaded.notes == ("columns: 'angle', 'weight', 'colour', 'turned', 'domain'", "not read: 'stroke'")


IMAGES = np.zeros((4, 5, 5), np.uint8)
BAD = {
    "no pictures": ({"features": np.zeros((4, 5))}, r"no array 'images' \(there is features\)"),
    "flat": ({"x": np.zeros((4, 5))}, r"images of shape \(4, 5\) do not fit"),
    "whole numbers": ({"x": np.zeros((4, 5, 5), np.int64)}, "images of type int64"),
    "labels": ({"x": IMAGES, "y": np.arange(3)}, r"labels of shape \(3,\) do not fit"),
    "one class": ({"x": IMAGES, "y": np.zeros(4)}, "labels are all the same"),
    "names": ({"x": IMAGES, "y": np.arange(4), "names": np.array(["a", "b"])}, "4 images and 2 names"),
    "parts": ({"x_train": IMAGES, "y_train": np.arange(4), "x_test": IMAGES}, "some parts have labels"),
    "names of nothing": ({"x": IMAGES, "names": np.array(["a", "b"])}, "4 images and 2 names"),
    "none": ({"x": np.zeros((0, 5, 5), np.uint8)}, "do not fit"),
    "pickled": ({"x": np.array([{"a": 1}], object)}, "cannot be read"),
    "no number": ({"x": IMAGES, "angle": np.array([0, 1, np.nan, 3])}, r"a.npz:3: 'angle' is no number"),
    "no numbers": ({"x": IMAGES, "colour": np.array([[0.1, np.inf]] * 4)}, r"a.npz:1: 'colour' is no number"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(tmp_path, case):
    arrays, said = BAD[case]
    np.savez(tmp_path / "a.npz", allow_pickle=True, **arrays)
    with pytest.raises(InputError, match=said):
        load_source(tmp_path / "a.npz")


@pytest.mark.parametrize("at", [0, 30, 200, 2000, 4000])
def test_a_damaged_file_of_arrays(tmp_path, at):
    np.savez_compressed(tmp_path / "a.npz", images=colours(40, 8, 8), labels=np.arange(40) % 2)
    whole = bytearray((tmp_path / "a.npz").read_bytes())
    for damaged in (whole[:at], whole[:at] + b"damaged" + whole[at + 7 :]):
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.npz: (the images cannot be read|no array)"):
            load_source(tmp_path / "a.npz")


REAL = {
    "cifar10.npz": ((10000, 3, 32, 32), 10, 2000, {"label"}),
    "omniglot_small1.npz": ((2720, 1, 105, 105), 136, 0, {"label", "drawer"}),
    "pacs64.npz": ((1200, 3, 64, 64), 6, 0, {"label", "domain"}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_arrays(name):
    path = FOLDER / "images" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    shape, classes, test, columns = REAL[name]
    loaded = load_source(path)
    pixels = loaded.data.anchors.tensor
    assert source_kind(path) == "pictures"
    assert (tuple(pixels.shape), pixels.dtype) == (shape, torch.uint8)
    assert len(loaded.data.classes) == classes
    assert loaded.data.columns.keys() == columns
    assert (len(loaded.test) if loaded.test else 0) == test
    with np.load(path) as file:
        names, labels = file["names"], file["y_train" if "y_train" in file else "y"]
    assert [loaded.data.classes[i] for i in loaded.data.columns["label"]] == [names[i] for i in labels]


def test_real_pictures_of_a_folder_are_those_of_the_arrays(tmp_path):
    path = FOLDER / "images" / "cifar10.npz"
    if not path.exists():
        pytest.skip(f"no {path}")
    with np.load(path) as file:
        pictures, labels, names = file["x_train"][:200], file["y_train"][:200], file["names"]
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        save(tmp_path, f"{names[label]}/{i}.png", picture)
    data = load_source(tmp_path).data
    order = [int(Path(name).stem) for name in data.anchors.names]
    assert torch.equal(data.anchors.tensor, channels_first(pictures[order]))
    assert [data.classes[i] for i in data.columns["label"]] == [names[i] for i in labels[order]]


def test_pictures_by_name_are_the_same_as_ever():
    from counterpoint.data.images import digits

    loaded = load_source("digits")
    assert torch.equal(loaded.data.anchors.tensor, digits().anchors.tensor)
    assert torch.equal(loaded.data.columns["label"], digits().columns["label"])
