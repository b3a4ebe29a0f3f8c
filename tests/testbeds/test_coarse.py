"""Coarse labels: the class within is kept, and the label follows from it."""

from __future__ import annotations

import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.coarse import COARSE_DIGITS, VEHICLES, coarser


def test_vehicles_are_one_label_and_animals_the_other():
    data = Data.alone(Items("image", torch.zeros(10, 3, 2, 2)), label=torch.arange(10))
    found = coarser(data, VEHICLES).columns
    assert found["label"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert found["fine"].tolist() == list(range(10))


def test_digits_below_five_are_one_label():
    for part in COARSE_DIGITS.parts(0):
        assert torch.equal(part.columns["label"], (part.columns["fine"] >= 5).long())
