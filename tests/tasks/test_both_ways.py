"""Two kinds of items that find each other: figures by hand, and Flickr8k by independent loops."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import ImageEncoder, StaticEncoder
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError
from counterpoint.tasks import BothWays, Find, pairs, task_for, zero_shot

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[2] / "../shared/data"))


class Given:
    """The vector of an item is what stands at its number; pictures and texts have tables of their own."""

    def __init__(self, **tables):
        self.tables, self.asked = {name: np.array(table, np.float32) for name, table in tables.items()}, []

    def encode_items(self, items, *, kind=None):
        self.asked.append((items.modality, kind))
        pictures = items.modality == "image"
        return self.tables[items.modality][items.tensor.flatten().tolist() if pictures else list(map(int, items.texts))]


def test_figures_by_hand():
    """Two pictures: the first has two captions, the second one."""
    angle = np.deg2rad([0, 90])
    captions = np.deg2rad([40, 80, 60])  # of the first picture, of the first picture, of the second
    # lengths, which the cosine does not see
    pictures = np.stack([np.cos(angle), np.sin(angle)], 1) * [[5], [1]]
    encoder = Given(image=pictures, text=np.stack([np.cos(captions), np.sin(captions)], 1))
    items = Items("image", torch.arange(2)[:, None, None, None])
    data = Data(items, torch.tensor([0, 0, 1]), Items("text", ["0", "1", "2"]), torch.tensor([[0], [1], [2]]))
    task = BothWays(pairs(data), pairs(data))
    figures = task.measure("x", encoder).figures
    # the first picture is nearest to its caption at 40 degrees; the second to that of the first at 80, then to its own
    assert figures["image to text hit@1"].values.tolist() == [1, 0]
    assert figures["image to text hit@5"].values.tolist() == [1, 1]
    assert figures["image to text mean rank"].value == 1.5
    # at 40 degrees the first picture is nearer, at 80 and at 60 the second
    assert sorted(figures["text to image hit@1"].values.tolist()) == [0, 1, 1]
    assert figures["text to image mean rank"].value == pytest.approx(4 / 3)
    # first: 1 there and (1 + 0) / 2 back at depth 1, all else 1; second: 0 there and 1 back
    first, second = (1 + 1 + 1 + 0.5 + 1 + 1) / 6, (0 + 1 + 1 + 1 + 1 + 1) / 6
    assert figures["mean recall"].values.tolist() == pytest.approx([first, second])
    assert task.validate(encoder) == pytest.approx((first + second) / 2)
    assert set(encoder.asked) == {("image", "query"), ("text", "document")}
    assert task.unit == "pictures"


def test_with_as_many_partners_for_each_it_is_the_mean_of_the_six_figures():
    draw = np.random.default_rng(0)
    encoder = Given(image=draw.normal(size=(30, 4)), text=draw.normal(size=(150, 4)))
    items = Items("image", torch.arange(30)[:, None, None, None])
    captions = Items("text", [str(i) for i in range(150)])
    data = Data(items, torch.arange(150) // 5, captions, torch.arange(150)[:, None])
    figures = BothWays(pairs(data), pairs(data)).measure("x", encoder).figures
    six = [f.value for name, f in figures.items() if "hit@" in name]
    assert len(six) == 6
    assert figures["mean recall"].value == pytest.approx(np.mean(six))


def flickr(pixels=24):
    from PIL import Image

    folder = DATA / "imagetext"
    if not folder.exists():
        pytest.skip("Flickr8k is not there (COUNTERPOINT_DATA)")
    with gzip.open(folder / "flickr8k_750.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines][1:]
    with tarfile.open(folder / "flickr8k_750.tar") as tar:
        # the last 150 names are the test
        names = sorted({name for name, _ in rows})[-150:]
        files = {Path(m.name).name: m for m in tar.getmembers() if m.isfile()}
        read = [Image.open(io.BytesIO(tar.extractfile(files[Path(n).name]).read())) for n in names]
        arrays = [np.asarray(image.convert("RGB").resize((pixels, pixels))).transpose(2, 0, 1) for image in read]
    number = {name: i for i, name in enumerate(names)}
    held = [(number[name], caption) for name, caption in rows if name in number]
    return Data(
        Items("image", torch.from_numpy(np.stack(arrays)), names),
        torch.tensor([i for i, _ in held]),
        Items("text", [caption for _, caption in held]),
        torch.arange(len(held))[:, None],
    )


def test_flickr8k_by_an_independent_loop():
    data = flickr()
    torch.manual_seed(0)
    captions = list(data.others.texts)
    towers = Towers(ImageEncoder(3, widths=(8, 16)), StaticEncoder.from_corpus(captions, dim=16, prompts={}))
    task = task_for(data, data, data, towers)
    assert isinstance(task, BothWays)
    figures = task.measure("untrained", towers).figures
    v, t = (
        side / np.linalg.norm(side, axis=1, keepdims=True)
        for side in (towers.encode_items(data.anchors, kind="query"), towers.encode_items(data.others, kind="document"))
    )
    scores = v.astype(float) @ t.T.astype(float)
    owner = data.anchor.numpy()
    there = [1 + min((row > row[c]).sum() for c in np.flatnonzero(owner == i)) for i, row in enumerate(scores)]
    back = [1 + (column > column[owner[c]]).sum() for c, column in enumerate(scores.T)]
    for name, ranks in (("image to text", there), ("text to image", back)):
        for k in (1, 5, 10):
            assert figures[f"{name} hit@{k}"].value == pytest.approx(np.mean([r <= k for r in ranks]), abs=0.01)
        assert figures[f"{name} mean rank"].value == pytest.approx(np.mean(ranks), abs=0.5)
    assert figures["mean recall"].n == 150


def test_zero_shot_by_hand():
    pictures = Items("image", torch.tensor([0, 1, 0, 1, 0])[:, None, None, None])
    data = Data.alone(pictures, label=torch.tensor([0, 1, 1, -1, 0]))
    names = Items("text", ["0", "1"])
    collection = zero_shot(data, names)
    assert collection.notes == ("rows left out, as they have no label: 1",)
    task = Find(collection, collection, metrics=("hit@1",))
    encoder = Given(image=[[1, 0], [0, 1]], text=[[2, 1], [0, 3]])
    assert task.measure("x", encoder).figures["hit@1"].values.tolist() == [1, 1, 0, 1]
    with pytest.raises(InputError, match="1 names for 2 classes"):
        zero_shot(data, names[torch.tensor([0])])


def test_zero_shot_of_two_towers_whichever_takes_pictures():
    pixels = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    data = Data.alone(Items("image", pixels), label=torch.tensor([0, 1, 0, 1]))
    collection = zero_shot(data, Items("text", ["a cat", "a dog"]))
    sides = ImageEncoder(3, widths=(8,)), StaticEncoder.from_corpus(["a cat", "a dog"], dim=8, prompts={})
    task = Find(collection, collection, metrics=("hit@1",))
    first, second = (task.measure("x", Towers(*order)).figures["hit@1"] for order in (sides, sides[::-1]))
    assert first.values.tolist() == second.values.tolist()


def test_lists_and_map_have_thumbnails_for_pictures_and_texts_for_captions():
    pixels = (torch.rand(6, 3, 4, 4) * 255).to(torch.uint8)
    data = Data(
        Items("image", pixels, [f"{i}.png" for i in range(6)]),
        torch.arange(6),
        Items("text", [f"caption {i}" for i in range(6)]),
        torch.arange(6)[:, None],
    )
    towers = Towers(ImageEncoder(3, widths=(8,)), StaticEncoder.from_corpus(list(data.others.texts), dim=8))
    task = task_for(data, data, data, towers)
    measured = task.measure("x", towers)
    lists = task.queries(measured, measured)
    assert [listed.title for listed in lists] == [
        "Gained most, image to text",
        "Still worst, image to text",
        "Gained most, text to image",
        "Still worst, text to image",
    ]
    query, other = lists[0].queries[0], lists[2].queries[0]
    assert query.picture.startswith("data:image/png;base64,")
    assert (query.text[1:], query.gold_picture) == (".png", "")
    assert other.text.startswith("caption")
    assert (other.picture, other.gold_picture[:5]) == ("", "data:")
    assert all(hit.picture for hit in other.results)
    shown = task.picture(measured, measured)
    assert [bool(p) for p in shown.pictures] == [True] * 6 + [False] * 6
    assert shown.labels == ("image",) * 6 + ("text",) * 6
