"""Plain gradient descent: what it does to a weight, and that it resumes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.objectives import Spectral
from counterpoint.training import RowBatches, TrainConfig, train
from counterpoint.training.optimizer import make_optimizer

PLAIN = TrainConfig(
    steps=12, batch_size=4, learning_rate=0.1, optimizer="sgd", weight_decay=0.0, dtype="float32", schedule="constant"
)


def test_a_step_goes_down_the_gradient():
    layer = nn.Linear(2, 1)
    before, gradient = layer.weight.detach().clone(), torch.tensor([[1.0, -3.0]])
    layer.weight.grad = gradient.clone()
    make_optimizer([layer], PLAIN).step()
    torch.testing.assert_close(layer.weight.detach(), before - 0.1 * gradient)
    layer.weight.grad = torch.zeros(1, 2)
    make_optimizer([layer], replace(PLAIN, weight_decay=0.5)).step()
    torch.testing.assert_close(layer.weight.detach(), (before - 0.1 * gradient) * 0.95)


class Stop(Exception):  # noqa: N818
    """Stands for a kill."""


def trained(folder=None, until=None):
    torch.manual_seed(0)
    layer = nn.Linear(3, 2, bias=False)
    data = Data.alone(Items("vector", torch.randn(16, 3)))

    def on_row(row):
        if row["step"] == until:
            raise Stop

    batches = RowBatches(data, layer, view=lambda x: x + 0.1 * torch.randn_like(x))
    train(layer, batches, Spectral(), replace(PLAIN, checkpoint_seconds=0.001), folder=folder, on_row=on_row)
    return layer.weight.detach()


def test_resumed_is_unbroken(tmp_path):
    whole = trained()
    with pytest.raises(Stop):
        trained(tmp_path, until=5)
    assert (tmp_path / "checkpoint").exists()
    assert torch.equal(trained(tmp_path), whole)
