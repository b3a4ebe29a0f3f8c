"""Running text: sentences in their order, and how often the order of two is told."""

from __future__ import annotations

import gzip

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.procedures import Discourse
from counterpoint.procedures.discourse import ORDER
from counterpoint.testbeds import running
from counterpoint.testbeds.bed import Made

TEXTS = Data.alone(Items("text", [str(i) for i in range(6)]))


class Places:
    """A text's vector is the number that it is."""

    def encode_items(self, items, kind=None):
        return torch.tensor([[float(text)] for text in items.texts]).numpy()


class Told(Discourse):
    """Says that texts are switched as far as the first one's number is higher."""

    def __init__(self, sign: float, constant: float = 0.0):
        super().__init__(1)
        self.sign, self.constant = sign, constant

    def scores(self, kind, u, others):
        assert kind == ORDER
        found = self.sign * (u[:, None] - others)[..., 0] + self.constant
        return torch.cat([torch.zeros_like(found), found], 1)


@pytest.mark.parametrize(("told", "wanted"), [(Told(1.0), 1.0), (Told(-1.0), 0.0), (Told(0.0, 1.0), 0.5)])
def test_order_is_told_of_each_pair_as_it_is_and_switched(told, wanted):
    made = Made("fake", Places(), (TEXTS, TEXTS), 0, procedure=told)
    assert running.order_told.of(made) == wanted


def test_brown_is_in_its_order_without_empty_lines(tmp_path, monkeypatch):
    path = tmp_path / "brown.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("One .\n\nTwo .\nOne .\n")
    monkeypatch.setattr(running, "find", lambda name: path)
    assert running._brown.__wrapped__().anchors.texts == ["One .", "Two .", "One ."]
