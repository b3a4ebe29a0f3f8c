"""Figures of models whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.testbeds import Figure, Made
from counterpoint.testbeds.figures import (
    cosine,
    deviation,
    knn_accuracy,
    labels,
    probe_accuracy,
    projection,
    rank,
    recall_within,
    representation_rank,
    shots_accuracy,
    tolerant,
    tuned_probe,
    uniform,
    verification_error,
)


class Table:
    """Vectors that are given."""

    def encode_items(self, items, *, kind=None):
        return items.tensor.numpy().astype(np.float32)


def made(train, train_labels, test=None, test_labels=None, **options):
    def part(x, y):
        x = torch.as_tensor(np.asarray(x, np.float32))
        return Data.alone(Items("vector", x), label=torch.tensor(y), other=torch.tensor(y) % 2)

    train = part(train, train_labels)
    test = train if test is None else part(test, test_labels)
    return Made("table", Table(), (train, test), 0, **options)


CORNERS = np.repeat(np.eye(4), 8, axis=0)
CLASSES = [i // 8 for i in range(32)]


def test_what_is_apart_is_told_apart():
    m = made(CORNERS, CLASSES)
    for figure in (probe_accuracy(), probe_accuracy("other"), knn_accuracy(), recall_within(), shots_accuracy(4)):
        if figure.name.startswith("4-way"):
            figure = shots_accuracy(ways=4, episodes=5)
            m = made(np.repeat(np.eye(4), 20, axis=0), [i // 20 for i in range(80)])
        assert figure.of(m) == 1.0
    assert verification_error.of(made(CORNERS, CLASSES)) == 0.0


def test_what_is_all_the_same_is_at_chance():
    m = made(np.ones((32, 4)), CLASSES)
    assert probe_accuracy().of(m) == pytest.approx(0.25)
    assert deviation.of(m) == pytest.approx(0, abs=1e-6)
    assert cosine.of(m) == pytest.approx(1)
    assert uniform.of(m) == pytest.approx(0, abs=1e-5)
    assert tolerant.of(m) == pytest.approx(1)


def test_spread_of_a_cross_is_known():
    m = made(np.concatenate([np.eye(3), -np.eye(3)]), [0, 1, 2, 0, 1, 2])
    assert rank.of(m) == representation_rank.of(m) == pytest.approx(3)
    assert cosine.of(m) == pytest.approx(-6 / 30)  # of 30 ordered pairs, six are opposite
    assert deviation.of(m) == pytest.approx(math.sqrt(3) * math.sqrt(2 / 5))
    wanted = math.log((3 * math.exp(-8) + 12 * math.exp(-4)) / 15)
    assert uniform.of(m) == pytest.approx(wanted, abs=1e-4)


def test_projection_is_behind_the_head_and_the_representation_before():
    first = nn.Linear(4, 1, bias=False)
    nn.init.constant_(first.weight, 0.0)
    m = made(CORNERS, CLASSES, head=first)
    assert probe_accuracy().of(m) == 1.0
    assert probe_accuracy(of=projection).of(m) == pytest.approx(0.25)
    assert probe_accuracy(of=projection).name == "probe accuracy, projection"


def test_few_labels_are_those_of_the_training_part():
    m = made(CORNERS, CLASSES, np.eye(4), [0, 1, 2, 3])
    assert probe_accuracy(few=24).of(m) == 1.0
    assert probe_accuracy(few=24).name == "probe accuracy with 24 labels"


def test_a_probe_is_as_strong_as_its_vectors_need():
    g = np.random.default_rng(0)
    y = g.integers(2, size=200)
    noise = g.normal(size=(200, 300))
    noise[:, 0] += 8 * y
    names = [str(v) for v in y]
    # one informative dimension of 300: the weakest penalty fits the noise of 150 rows
    assert (tuned_probe(noise[:150], names[:150], noise[150:]) == np.array(names[150:])).mean() > 0.8


def test_a_missing_column_and_a_nameless_figure_are_refused():
    with pytest.raises(InputError, match="no column 'domain'"):
        labels(made(CORNERS, CLASSES).train, "domain")
    with pytest.raises(InputError, match="a lambda names no figure"):
        Figure("x", lambda made: 0.0)
