"""Testbeds of pictures that were made: what was made is what the columns say, and figures have known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds import Made
from counterpoint.testbeds.domains import ANGLES, absolute_error, more_angles, ordered, turned
from counterpoint.testbeds.figures import representation


class AsGiven:
    """An encoder whose vectors are the items."""

    def encode_items(self, items):
        return items.tensor.flatten(1).float().numpy()


def made(train, test, **fields):
    return Made("as given", AsGiven(), (train, test), 0, **fields)


def rows(vectors, **columns):
    return Data.alone(Items("vector", torch.as_tensor(vectors, dtype=torch.float32)), **columns)


def test_a_picture_is_turned_by_its_angle():
    corner = torch.zeros(1, 1, 8, 8)
    corner[..., 3, 7] = 1.0
    once = turned(corner, torch.tensor([90.0]))
    assert torch.allclose(once, corner.rot90(1, (2, 3)), atol=1e-5) or torch.allclose(
        once, corner.rot90(-1, (2, 3)), atol=1e-5
    )
    assert torch.allclose(turned(corner, torch.tensor([0.0])), corner, atol=1e-5)


def test_angles_are_known_and_more_of_them_have_the_same_test():
    train, test = ANGLES.parts(1)
    more, again = more_angles(1)
    assert (int(train.columns["angle"].min()), int(train.columns["angle"].max())) == (0, 90)
    assert len(train) + len(test) == 1797
    assert len(more) == 4 * len(train)
    assert torch.equal(test.anchors.tensor, again.anchors.tensor)
    assert not torch.equal(more.columns["angle"][: len(train)], more.columns["angle"][len(train) : 2 * len(train)])


def test_absolute_error_is_that_of_a_line():
    x = np.linspace(-1, 1, 40)[:, None]
    train = rows(x, age=torch.tensor(30 * x[:, 0]))
    test = rows(x[:4], age=torch.tensor(30 * x[:4, 0]) + torch.tensor([1.0, -1.0, 3.0, -3.0]))
    assert absolute_error("age").of(made(train, test)) == pytest.approx(2.0, abs=0.02)


def test_ordered_is_one_where_cosines_follow_the_number():
    age = torch.tensor([0, 1, 3, 7, 15, 31, 63])  # no two of which are as far apart as two others
    angle = age.float().deg2rad()
    line = rows(torch.stack([angle.cos(), angle.sin()], 1), age=age)
    assert ordered("age", of=representation).of(made(line, line)) == pytest.approx(1.0)
    mixed = rows(line.anchors.tensor, age=age[torch.tensor([0, 6, 1, 5, 2, 4, 3])])
    assert ordered("age", of=representation).of(made(mixed, mixed)) < 0.5
