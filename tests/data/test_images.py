"""Images from arrays, folders, datasets and fonts."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.data.glyphs import glyphs
from counterpoint.data.sources import load_source, source_kind
from counterpoint.errors import InputError
from data.pictures import bomb, colours, png, save, shown

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def read(path, **options):
    return shown(load_source(path, **options).data)


@pytest.mark.parametrize("shape", [(6, 5, 5), (6, 5, 5, 3), (6, 3, 5, 5)])
def test_read_images(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(list("abcabc")))
    images = read(tmp_path / "a.npz")
    assert tuple(images.pixels.shape) == (6, 1 if len(shape) == 3 else 3, 5, 5)
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2]
    first = pixels[0] if len(shape) == 3 else pixels[0, ..., 0] if shape[3] == 3 else pixels[0, 0]
    assert images.pixels[0, 0].numpy() == pytest.approx(first / 255, abs=1e-6)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": np.zeros((4, 5, 5)), "labels": np.arange(3)}, "do not fit"),
        ({"images": np.full((4, 5, 5), 255.0), "labels": np.arange(4)}, "outside their range"),
        ({"images": np.full((4, 5, 5), np.nan), "labels": np.arange(4)}, "outside their range"),
        ({"images": np.zeros((4, 5, 5)), "labels": np.zeros(4)}, "all the same"),
    ],
)
def test_bad_images(tmp_path, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=said):
        read(tmp_path / "a.npz")


def test_no_images(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK no")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "b.npz")


def test_further_arrays_are_names_and_columns(tmp_path):
    path = tmp_path / "a.npz"
    further = {"names": np.array(list("wxyz")), "domain": np.array(["s", "p", "s", "q"]), "other": np.zeros((4, 2, 2))}
    np.savez(path, images=np.zeros((4, 5, 5), np.uint8), labels=np.array([3, 5, 5, 3]), **further)
    images = read(path)
    assert images.names == tuple("wxyz")
    assert images.classes == ("3", "5")
    assert {name: column.tolist() for name, column in images.columns.items()} == {"domain": [2, 0, 2, 1]}
    np.savez(path, images=np.zeros((4, 5, 5), np.uint8), labels=np.arange(4), names=np.array(list("wxy")))
    with pytest.raises(InputError, match="4 images and 3 names"):
        read(path)


def test_a_folder_of_class_folders(tmp_path):
    pictures = {name: colours(6, 8) for name in ("dog/b.png", "cat/a.png", "dog/a.PNG", "cat/c.bmp")}
    for name, picture in pictures.items():
        save(tmp_path, name, picture)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "cat" / ".hidden.png").write_text("no picture")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.png").write_text("no picture")
    images = read(tmp_path)
    assert images.names == ("cat/a.png", "cat/c.bmp", "dog/a.PNG", "dog/b.png")
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 1, 1]
    for name, ours in zip(images.names, images.pixels, strict=True):
        assert np.array_equal((255 * ours).round().numpy(), pictures[name].transpose(2, 0, 1))


def test_grey_stays_grey_and_transparent_is_white(tmp_path):
    save(tmp_path, "a/a.png", np.full((4, 4), 51, np.uint8))
    save(tmp_path, "b/a.png", np.full((4, 4), 255, np.uint8))
    images = read(tmp_path)
    assert tuple(images.pixels.shape) == (2, 1, 4, 4)
    assert images.pixels.mean((1, 2, 3)).tolist() == pytest.approx([0.2, 1.0])
    save(tmp_path, "b/b.png", np.array([[[255, 0, 0, 0], [255, 0, 0, 51]]] * 2, np.uint8).repeat(2, 0).repeat(2, 1))
    images = read(tmp_path)
    assert images.pixels[0].unique().tolist() == pytest.approx([0.2])
    # a fifth of red over white
    assert images.pixels[2, :, 0, [0, -1]].T.flatten().tolist() == pytest.approx([1, 1, 1, 1, 0.8, 0.8], abs=0.005)


def test_sizes(tmp_path):
    wide = colours(4, 12)
    save(tmp_path, "a/a.png", wide)
    save(tmp_path, "b/a.png", colours(8, 8))
    images = read(tmp_path)
    assert tuple(images.pixels.shape) == (2, 3, 4, 4)
    assert np.array_equal((255 * images.pixels[0]).round().numpy(), wide[:, 4:8].transpose(2, 0, 1))
    halved = (255 * read(tmp_path, size=2).pixels[0]).numpy()
    middle = wide[:, 4:8].reshape(2, 2, 2, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    assert halved == pytest.approx(middle, abs=1)
    save(tmp_path, "a/a.png", colours(200, 300))
    save(tmp_path, "b/a.png", colours(200, 300))
    assert tuple(read(tmp_path).pixels.shape) == (2, 3, 96, 96)
    with pytest.raises(InputError, match="no pictures of 0 pixels"):
        read(tmp_path, size=0)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: bright on the right
    save(tmp_path, "a/a.jpg", picture, exif=exif, quality=95)
    save(tmp_path, "b/a.jpg", picture, quality=95)
    turned, plain = read(tmp_path).pixels
    assert float(turned[:, :, 4:].min()) > 0.9
    assert float(turned[:, :, :4].max()) < 0.1
    assert float(plain[:, :4].min()) > 0.9


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "webp", "tif"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
def test_a_torn_picture_is_named(tmp_path, kind, share):
    for name in ("a", "b"):
        save(tmp_path, f"{name}/whole.{kind}", colours(32, 32))
    torn = tmp_path / "b" / f"torn.{kind}"
    whole = (tmp_path / "a" / f"whole.{kind}").read_bytes()
    torn.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=rf"b/torn.{kind}: (not a picture|the picture cannot be read)"):
        read(tmp_path)


@pytest.mark.parametrize("side", [9_500, 30_000])
def test_a_bomb_is_refused(tmp_path, side):
    save(tmp_path, "b/a.png", colours(4, 4))
    save(tmp_path, "a/a.png", colours(4, 4))
    bomb(tmp_path / "a" / "b.png", side)
    with pytest.raises(InputError, match=r"a/b\.png: the picture cannot be read .*exceeds limit"):
        read(tmp_path)


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match="an empty folder"):
        read(tmp_path)
    save(tmp_path, "a/a.png", colours(4, 4))
    with pytest.raises(InputError, match="labels are all the same"):
        read(tmp_path)
    save(tmp_path, "b/deep.png", np.zeros((4, 4), np.uint16))
    with pytest.raises(InputError, match=r"b/deep\.png: more than 8 bits"):
        read(tmp_path)
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 5, 5)), labels=np.arange(4))
    with pytest.raises(InputError, match="size= does not apply to arrays of pictures"):
        read(tmp_path / "a.npz", size=4)


def saved(**columns):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    kinds = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["x", "y", "z"]), "text": None}
    features = {name: kinds[name] or datasets.Value("string") for name in columns}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def test_a_saved_dataset(tmp_path):
    datasets = pytest.importorskip("datasets")
    arrays = [colours(5, 5) for _ in range(3)]
    data = saved(picture=[png(array) for array in arrays], kind=[2, 0, 2], text=list("abc"))
    data.save_to_disk(tmp_path / "one")
    other = saved(picture=[png(colours(5, 5))], kind=[1], text=["d"])
    datasets.DatasetDict(train=data, test=other).save_to_disk(tmp_path / "two")
    for folder in ("one", "two"):
        assert source_kind(tmp_path / folder) == "pictures"
        images = read(tmp_path / folder)
        assert [images.classes[label] for label in images.labels] == ["z", "x", "z"]
        assert images.classes == (("x", "z") if folder == "one" else ("x", "y", "z"))
        assert (255 * images.pixels).round().numpy().transpose(0, 2, 3, 1).tolist() == np.stack(arrays).tolist()


def test_secret_labels_of_a_test_are_not_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    data = saved(picture=[png(colours(9, 9)) for _ in range(3)], kind=[0, 2, 1])
    secret = saved(picture=[png(colours(9, 9))] * 2, kind=[-1, -1])
    datasets.DatasetDict(train=data, test=secret).save_to_disk(tmp_path)
    loaded = load_source(tmp_path)
    assert loaded.test is None
    assert "the test part has no labels, not read" in loaded.describe()
    assert len(read(tmp_path).pixels) == 3


def test_bad_datasets(tmp_path):
    datasets = pytest.importorskip("datasets")
    texts = saved(kind=[0, 1], text=["a", "b"])
    texts.save_to_disk(tmp_path / "texts")
    assert source_kind(tmp_path / "texts") == "texts"
    other = saved(picture=[png(colours(9, 9))], kind=[0])
    datasets.DatasetDict(test=other, dev=other).save_to_disk(tmp_path / "split")
    with pytest.raises(InputError, match="no split 'train'"):
        read(tmp_path / "split")
    saved(picture=[png(colours(9, 9))] * 3, kind=[0, -1, 1]).save_to_disk(tmp_path / "secret")
    with pytest.raises(InputError, match=r"secret:2: column 'kind' is empty"):
        read(tmp_path / "secret")
    (tmp_path / "secret" / "data-00000-of-00001.arrow").write_bytes(b"no arrow")
    with pytest.raises(InputError, match="not a whole Arrow file"):
        read(tmp_path / "secret")
    torn = png(colours(9, 9))
    torn["bytes"] = torn["bytes"][:60]
    saved(picture=[png(colours(9, 9)), torn], kind=[0, 1]).save_to_disk(tmp_path / "torn")
    with pytest.raises(InputError, match=r"torn:2: the picture row 2 cannot be read"):
        read(tmp_path / "torn")


def test_what_is_for_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert source_kind("emoji") == "pictures"
    assert source_kind("glyphs") == "pictures"
    assert source_kind("nowhere") == "texts"
    (tmp_path / "texts" / "qrels").mkdir(parents=True)
    (tmp_path / "texts" / "qrels" / "test.tsv").write_text("")
    assert source_kind("texts") == "texts"
    save(tmp_path, "pictures/a/a.png", colours(4, 4))
    save(tmp_path, "pictures/b/a.png", colours(4, 4))
    assert source_kind("pictures") == "pictures"
    assert load_source("pictures").data.source == "pictures"


def test_glyphs_are_letters_in_fonts():
    files = [FONTS / f"{name}.ttf" for name in ("DejaVuSans", "DejaVuSans-Bold", "cmr10", "STIXGeneral")]
    data = glyphs(24, fonts=[*files, *files[:1]])
    pixels, domain, names = data.anchors.tensor.float(), data.columns["domain"], list(data.anchors.names)
    assert tuple(pixels.shape) == (4 * 26, 1, 24, 24)
    assert domain.tolist() == [font for font in range(4) for _ in range(26)]
    assert [data.classes[label] for label in data.columns["label"][:3]] == ["A", "B", "C"]
    # ink is in the middle, and inside
    weight = pixels.sum((1, 3))
    rows = torch.stack([(w > 0).nonzero()[[0, -1], 0] for w in weight])
    assert float((rows.float().mean(1) - 11.5).abs().max()) <= 1
    assert float(pixels[:, :, [0, -1]].max()) == 0
    assert float(pixels[:, :, :, [0, -1]].max()) == 0
    # bold has more of it, letter by letter
    bold, book = (pixels[domain == d].mean((1, 2, 3)) for d in (0, 1))
    assert names[0] == "A, DejaVu Sans Bold"
    assert bool((bold > 1.2 * book).all())
    # an O is its own mirror image and an L is not
    o, ell = (pixels[names.index(f"{letter}, DejaVu Sans Book")] for letter in "OL")
    assert float((o - o.flip(2)).abs().mean()) < 5 < float((ell - ell.flip(2)).abs().mean())


def test_fonts_without_the_letters_are_left_out(tmp_path):
    files = [FONTS / f"{name}.ttf" for name in ("DejaVuSans", "cmr10", "LastResortHE-Regular", "STIXSizFiveSymReg")]
    assert set(glyphs(16, fonts=files).columns["domain"].tolist()) == {0, 1}
    with pytest.raises(InputError, match="1 fonts have"):
        glyphs(16, fonts=files[::2])
    (tmp_path / "a.ttf").write_bytes(files[0].read_bytes()[:5000])
    with pytest.raises(InputError, match=r"a\.ttf: the font cannot be read"):
        glyphs(16, fonts=[*files, tmp_path / "a.ttf"])
    for bad in ("A", "AA"):
        with pytest.raises(InputError, match="no glyphs"):
            glyphs(16, letters=bad)
