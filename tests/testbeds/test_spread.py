"""Spread of the projection: known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.spread import EVEN, projected_tolerance, projected_uniformity


class AsTheyAre:
    """Vectors encode themselves."""

    def encode_items(self, items, *, kind=None):
        del kind
        return items.tensor.numpy()


def made(rows, label, head=None):
    data = Data.alone(Items("vector", torch.tensor(rows)), label=torch.tensor(label))
    return Made("given", AsTheyAre(), (data, data), 0, **({} if head is None else {"head": head}))


def test_two_opposite_and_two_equal_points():
    there = made([[2.0, 0.0], [-1.0, 0.0]], [0, 0])
    assert projected_uniformity.of(there) == pytest.approx(-2 * 4)
    assert projected_tolerance.of(there) == pytest.approx(-1.0)
    same = made([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]], [0, 0, 1])
    assert projected_tolerance.of(same) == pytest.approx(1.0)
    pairs = np.array([0.0, 2.0, 2.0])  # squared distances of unit vectors
    assert projected_uniformity.of(same) == pytest.approx(math.log(np.exp(-2 * pairs).mean()), rel=1e-5)


def test_it_is_the_head_s_output():
    half = torch.nn.Linear(2, 2, bias=False)
    torch.nn.init.zeros_(half.weight)
    half.weight.data[0] = 1.0
    assert projected_uniformity.of(made([[1.0, 0.0], [0.0, 1.0]], [0, 1], half)) == pytest.approx(0.0, abs=1e-6)


def test_orthogonal_points_are_even():
    assert projected_uniformity.of(made(torch.eye(6).tolist(), range(6))) == pytest.approx(EVEN, abs=1e-5)
