"""Parts of pictures: a model's own classifier."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.subsets import SUBSETS, classified


class AsTheyAre:
    """Vectors encode themselves."""

    def encode_items(self, items, *, kind=None):
        del kind
        return items.tensor.numpy()


def test_the_greatest_logit_is_what_is_said():
    data = Data.alone(Items("vector", torch.eye(3)[[0, 1, 2, 2]]), label=torch.tensor([1, 0, 2, 0]))
    swap = torch.nn.Linear(3, 3, bias=False)
    swap.weight.data = torch.eye(3)[[1, 0, 2]]
    assert classified.of(Made("given", AsTheyAre(), (data, data), 0, head=swap)) == pytest.approx(3 / 4)


def test_the_budget_is_steps():
    assert SUBSETS.steps == 200
    assert not SUBSETS.epochs
    assert "200 steps" in SUBSETS.about
