"""Labelled items by hand, standardising, and pictures against their pixels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.tasks import Labels, LabelSets, Raw, task_for

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[2] / "../shared/data"))


class Plane:
    """A picture of two pixels is a point of the plane."""

    def __init__(self, shift=0.0, scale=1.0):
        self.shift, self.scale = shift, scale

    def encode_items(self, items, *, kind=None):
        return (items.tensor.flatten(1).double().numpy() * self.scale + self.shift).astype(np.float32)


def points(rows, labels, classes=("a", "b")):
    return Data.alone(Items("image", torch.tensor(rows).view(-1, 1, 1, 2)), classes=classes, label=torch.tensor(labels))


def test_ten_neighbours_by_hand():
    """Of eleven training points ten vote: the one that is farthest from a test point does not."""
    directions = np.deg2rad(np.arange(0, 110, 10.0))
    rows = np.stack([np.cos(directions), np.sin(directions)], 1).tolist()
    train = points(rows, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    # near the first, the farthest is the last, an a: 5 to 5, which the higher sum of cosines decides
    test = points([[1.0, 0.0], [0.0, 1.0]], [0, 0])
    task = Labels(train, test, test)
    assert task.measure("x", Plane()).figures["knn accuracy"].values.tolist() == [1, 0]
    assert task.validate(Plane()) == 0.5
    assert task.unit == "pictures"


def test_the_probe_is_the_same_wherever_the_cloud_is_and_however_large():
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 160)
    rows = draw.normal(size=(160, 60)) + labels[:, None] * 0.4
    pixels = torch.from_numpy(rows).view(160, 1, 6, 10)
    data = Data.alone(Items("image", pixels), label=torch.from_numpy(labels))
    train, test = data[torch.arange(80)], data[torch.arange(80, 160)]
    task = Labels(train, test, test)
    figures = [task.measure("x", Plane(*form)).figures["probe accuracy"] for form in ((0, 1), (50, 1), (0, 300))]
    assert figures[0].values.tolist() == figures[1].values.tolist() == figures[2].values.tolist()
    scaled = (rows - rows[:80].mean(0)) / rows[:80].std(0)
    said = [
        LogisticRegression(C=1.0).fit(each[:80], labels[:80]).predict(each[80:]) == labels[80:]
        for each in (scaled / 60**0.5, scaled)
    ]
    assert figures[0].values.tolist() == said[0].tolist() != said[1].tolist()


def test_what_is_constant_in_training_says_nothing():
    train = points([[1.0, 0.0], [1.0, 1.0], [1.0, 0.1], [1.0, 0.9]], [0, 1, 0, 1])
    test = points([[-99.0, 0.0], [99.0, 1.0]], [0, 1])
    assert Labels(train, test, test).measure("x", Plane()).figures["probe accuracy"].value == 1


def test_pictures_are_measured_against_their_pixels():
    rows = points([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.9, 0.3]], [0, 1, 0, 1])
    (pixels,) = Labels(rows, rows, rows).baselines()
    assert (pixels.name, pixels.figures["probe accuracy"].value) == ("pixels", 1)
    texts = rows_of([Example("a", label="x"), Example("b", label="y")])
    assert Labels(texts, texts, texts).baselines() == []


def test_raw_pixels_of_either_type():
    grey = Items("image", torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    assert Raw().encode_items(grey).tolist() == [[-0.5, 0.5]]
    assert Raw().encode_items(Items("image", torch.tensor([[[[0.25]]]]))).tolist() == [[-0.25]]


def test_rows_without_a_label_are_left_out_and_said():
    train = points([[0.0, 1.0], [1.0, 0.0], [5.0, 5.0]], [0, 1, -1])
    test = points([[0.0, 1.0], [1.0, 0.1], [1.0, 1.0], [0.0, 0.5]], [0, 1, -1, -1])
    task = Labels(train, test, test)
    assert task.notes == ("rows left out, as they have no label: 2",)
    measured = task.measure("x", Plane())
    assert measured.figures["probe accuracy"].values.tolist() == [1, 1]
    assert task.picture(measured, measured).labels == ("a", "b")
    with pytest.raises(InputError, match="no row has a label"):
        Labels(train, points([[0.0, 1.0]], [-1]), test)


def test_validating_searches_few_pictures():
    rows = torch.rand(5000, 2).tolist()
    train = points(rows, [int(a > b) for a, b in rows])
    asked = []

    class Counted(Plane):
        def encode_items(self, items, *, kind=None):
            asked.append(len(items))
            return super().encode_items(items)

    task = Labels(train, train[torch.arange(9)], train[torch.arange(9)])
    assert task.validate(Counted()) > 0.8
    assert asked == [2500, 9]


def test_sets_of_labels_have_their_names():
    data = rows_of([Example("a", labels=("y", "x")), Example("b", labels=("z",)), Example("c", labels=())])
    assert data.classes == ("x", "y", "z")

    class Letters:
        def encode_items(self, items, *, kind=None):
            return np.array([[text == letter for letter in "abc"] for text in items.texts], np.float32)

    task = task_for(data, data, data, Letters())
    assert isinstance(task, LabelSets)
    measured = task.measure("x", Letters())
    assert task.picture(measured, measured).labels == ("x, y", "z", "")
    # all ten (here three) neighbours vote: a label that one of three has is not said
    assert measured.figures["knn micro f1"].value == 0
    scores = task.scores(measured)
    assert (sum(scores.positive), sum(scores.negative)) == (0, 3)


def test_cifar_pictures():
    file = DATA / "images" / "cifar10.npz"
    if not file.exists():
        pytest.skip("CIFAR-10 is not there (COUNTERPOINT_DATA)")
    with np.load(file, allow_pickle=False) as arrays:
        x, y, names = (arrays[name][:900] for name in ("x_train", "y_train", "names"))
    pixels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    data = Data.alone(Items("image", pixels), classes=tuple(map(str, names)), label=torch.from_numpy(y).long())
    train, dev, test = (data[torch.arange(a, b)] for a, b in ((0, 500), (500, 600), (600, 900)))
    task = task_for(train, dev, test, Raw())
    (pixels_alone,) = task.baselines()
    # chance is 0.1
    assert 0.18 < pixels_alone.figures["knn accuracy"].value < 0.4
    assert 0.18 < pixels_alone.figures["probe accuracy"].value < 0.4
    assert pixels_alone.figures["knn accuracy"].n == 300
    shown = task.picture(pixels_alone, pixels_alone)
    assert 30 <= sum(map(bool, shown.pictures)) <= 40
    assert shown.labels[0] in names
    alone = [Data.alone(part.anchors[part.anchor]) for part in (train, dev, test)]
    views = task_for(*alone, Raw())
    (raw,) = views.baselines()
    # chance is 1/300
    assert 0.05 < raw.figures["recall@1"].value < 0.6
    assert views.combined([raw], raw) == []
