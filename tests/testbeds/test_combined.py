"""Several models as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.combined import Combined

ITEMS = Items("text", ["one", "three"])
PARTS = (Data.alone(ITEMS), Data.alone(ITEMS))


class Lengths:
    def __init__(self, power, seed):
        self.power, self.seed = power, seed

    def encode_items(self, items, *, kind=None):
        return np.array([[len(text) ** self.power, self.seed] for text in items.texts], np.float32)


@dataclass(frozen=True)
class Own:
    power: int
    collapsed: str = ""

    @property
    def key(self):
        return f"lengths {self.power}"

    @property
    def functions(self):
        return (Lengths,)

    def made(self, bed, parts, seed):
        return Made(self.key, Lengths(self.power, seed), parts, seed, collapsed=self.collapsed, steps=self.power)


@pytest.mark.parametrize("how", ["mean", "concatenation"])
def test_vectors_are_those_of_both_with_seeds_of_their_own(how):
    made = Combined((Own(1), Own(2)), how).made(None, PARTS, 3)
    wanted = {
        "mean": [[(3 + 9) / 2, 503.0], [(5 + 25) / 2, 503.0]],
        "concatenation": [[3, 3, 9, 1003], [5, 3, 25, 1003]],
    }
    assert made.encoder.encode_items(ITEMS).tolist() == wanted[how]
    assert (made.steps, made.seed, made.collapsed) == (3, 3, "")
    assert torch.equal(made.train.anchor, PARTS[0].anchor)


def test_it_is_known_by_all_and_by_how_and_says_if_one_collapsed():
    mean, other = Combined((Own(1), Own(2))), Combined((Own(1), Own(2)), "concatenation")
    assert len({mean.key, other.key, Combined((Own(1), Own(1))).key}) == 3
    assert mean.functions == (Lengths, Lengths)
    assert Combined((Own(1), Own(2, "all the same"))).made(None, PARTS, 0).collapsed == "all the same"
