"""Testbeds of pictures: what is held out is whole, the same seed gives the same parts."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.testbeds import PICTURES, pictures

REAL = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the layout that is read, with pixels that say their row."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "fonts" / "deep").mkdir(parents=True)
    said = np.arange(200, dtype=np.uint8)
    cifar = np.broadcast_to(said[:, None, None, None], (200, 32, 32, 3))
    names = np.array([f"c{i}" for i in range(10)])
    np.savez(
        folder / "images/cifar10.npz", x_train=cifar, y_train=said % 10, x_test=cifar[:50], y_test=said[:50] % 10,
        names=names,
    )  # fmt: skip
    pacs = np.broadcast_to(said[:, None, None, None], (200, 64, 64, 3))
    domains = np.array(["photo", "art", "cartoon", "sketch"])
    np.savez(folder / "images/pacs64.npz", x=pacs, y=said % 5, domain=said % 4, names=names[:5], domains=domains)
    ink = np.zeros((200, 105, 105), np.uint8)
    ink[:, :, :52] = 1
    characters = np.array([f"A{i // 2}/character{i % 2}" for i in range(10)])
    np.savez(folder / "images/omniglot_small1.npz", x=ink, y=said // 20, drawer=said % 20, names=characters)
    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"
    for file in fonts.glob("*.ttf"):
        (folder / "fonts" / "deep" / file.name).symlink_to(file)
    (folder / "fonts" / "gone.ttf").symlink_to(folder / "nowhere.ttf")
    return folder


def same(a, b):
    return torch.equal(a.anchors.tensor, b.anchors.tensor) and all(
        torch.equal(a.columns[key], b.columns[key]) for key in a.columns
    )


@pytest.mark.parametrize("name", ["cifar10", "omniglot", "pacs"])
def test_parts_follow_the_seed_and_are_pictures_of_bytes(folder, name):
    train, test = pictures(name, 1, folder)
    for part, again in zip((train, test), pictures(name, 1, folder), strict=True):
        assert same(part, again)
        assert part.schema == "labelled"
        assert part.anchors.tensor.dtype == torch.uint8
        assert part.anchors.tensor.shape[2] == part.anchors.tensor.shape[3]
        assert int(part.columns["label"].max()) < len(part.classes)
        assert len(part) == len(part.anchors)
    assert train.anchors.tensor.shape[1:] == test.anchors.tensor.shape[1:]


def test_cifar_s_test_is_the_same_for_every_seed(folder):
    (a, test), (b, other) = (PICTURES["cifar10"](seed, folder, most=30) for seed in (0, 1))
    assert same(test, other)
    assert len(a) == 30
    assert not same(a, b)
    said = a.anchors.tensor[:, 0, 0, 0].long()
    assert len(said.unique()) == 30
    assert torch.equal(said % 10, a.columns["label"])
    # channels first, not a row of one
    assert a.anchors.tensor.shape[1:] == (3, 32, 32)


def test_each_domain_is_held_out_once(folder):
    held = []
    for seed in range(4):
        train, test = pictures("pacs", seed, folder)
        (domain,) = test.columns["domain"].unique().tolist()
        held.append(domain)
        assert sorted(train.columns["domain"].unique().tolist()) == [d for d in range(4) if d != domain]
        assert torch.equal(test.anchors.tensor[:, 0, 0, 0].long() % 4, test.columns["domain"])
        assert torch.equal(train.anchors.tensor[:, 1, 9, 9].long() % 5, train.columns["label"])
        assert len(train) + len(test) == 200
    assert sorted(held) == [0, 1, 2, 3]


def test_alphabets_are_held_out_whole(folder):
    seen = set()
    for seed in range(6):
        train, test = pictures("omniglot", seed, folder)
        own = [set(part.columns["alphabet"].tolist()) for part in (train, test)]
        assert not own[0] & own[1]
        assert len(own[1]) == 2
        assert not set(train.columns["label"].tolist()) & set(test.columns["label"].tolist())
        for part in (train, test):
            named = [part.classes[label].split("/")[0] for label in part.columns["label"].tolist()]
            assert named == [f"A{alphabet}" for alphabet in part.columns["alphabet"].tolist()]
        seen.add(tuple(sorted(own[1])))
    assert len(seen) > 1
    # each new pixel is the mean of the area it covers: 13 columns of ink, half of one, none
    assert train.anchors.tensor[0, 0, 3].tolist() == pytest.approx([255] * 13 + [217] + [0] * 14, abs=40)


def test_font_families_are_held_out_whole(folder):
    train, test = PICTURES["glyph-families"](0, folder, size=16)
    own = [set(part.columns["family"].tolist()) for part in (train, test)]
    assert not own[0] & own[1]
    assert own[0]
    assert own[1]
    for part in (train, test):
        fonts = part.columns["domain"].unique(return_counts=True)[1]
        assert set(fonts.tolist()) == {26}, "all letters of a font, or none"
        pairs = set(zip(part.columns["family"].tolist(), part.columns["domain"].tolist(), strict=True))
        assert max(sum(f == family for f, _ in pairs) for family in own[0] | own[1]) <= 4
        assert set(part.columns["label"].tolist()) == set(range(26))
    assert same(train, PICTURES["glyph-families"](0, folder, size=16)[0])


def test_letters_are_turned_and_put_somewhere(folder):
    train = PICTURES["glyph-families"](0, folder)[0]
    ink = train.anchors.tensor[:, 0].float() / 255
    place = torch.arange(24.0)
    total = ink.sum((1, 2))
    assert float(total.min()) > 5
    middle = (ink * place).sum((1, 2)) / total, (ink * place[:, None]).sum((1, 2)) / total
    for axis in middle:
        assert float(axis.mean()) == pytest.approx(11.5, abs=0.3)
        assert 0.8 < float(axis.std()) < 3, "centred letters would be told by their pixels"
    # hardly any ink is cut off
    edge = ink[:, [0, -1]].sum() + ink[:, :, [0, -1]].sum()
    assert float(edge / ink.sum()) < 0.03
    # another seed puts the same letters elsewhere
    other = PICTURES["glyph-families"](1, folder)[0]
    font = next(iter(set(train.columns["domain"].tolist()) & set(other.columns["domain"].tolist())))
    a, b = (part.anchors.tensor[part.columns["domain"] == font] for part in (train, other))
    assert a.shape == b.shape
    assert not torch.equal(a, b)


def test_what_is_not_there_is_said(folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="unknown testbed 'mnist'"):
        pictures("mnist")
    monkeypatch.delenv("COUNTERPOINT_DATA", raising=False)
    with pytest.raises(InputError, match="no folder of data is known; give the folder of the data"):
        pictures("cifar10")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(folder))
    assert len(pictures("cifar10")[1]) == 50
    for name in ("cifar10", "pacs", "omniglot"):
        with pytest.raises(InputError, match=r"npz: is not there"):
            pictures(name, 0, tmp_path)
    (tmp_path / "images").mkdir()
    np.savez(tmp_path / "images/cifar10.npz", x_train=np.zeros(3))
    with pytest.raises(InputError, match="write the arrays x_train, y_train"):
        pictures("cifar10", 0, tmp_path)
    (tmp_path / "images/pacs64.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"pacs64.npz: cannot be read"):
        pictures("pacs", 0, tmp_path)
    (tmp_path / "fonts").mkdir()
    for name in ("DejaVuSans", "DejaVuSerif"):
        file = Path(matplotlib.get_data_path()) / f"fonts/ttf/{name}.ttf"
        (tmp_path / "fonts" / file.name).symlink_to(file)
    with pytest.raises(InputError, match="1 font families are too few"):
        pictures("glyph-families", 0, tmp_path)


@pytest.mark.skipif(not (REAL / "images").is_dir(), reason="no folder of data (COUNTERPOINT_DATA)")
def test_the_real_files():
    train, test = pictures("cifar10", 0, REAL)
    assert (len(train), len(test), len(train.classes)) == (5000, 2000, 10)
    train, test = pictures("pacs", 0, REAL)
    assert (len(train), len(test), train.anchors.tensor.shape[1:]) == (900, 300, (3, 32, 32))
    train, test = pictures("omniglot", 0, REAL)
    assert len(train) + len(test) == 2720
    ink = train.anchors.tensor.float().mean() / 255
    assert 0.02 < float(ink) < 0.15, "bright strokes on dark"
