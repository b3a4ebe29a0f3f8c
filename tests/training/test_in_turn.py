"""Objectives in turn: each batch is seen by each, whose optimiser is its own; and it resumes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.objectives import Alignment, InfoNCE, InTurn
from counterpoint.training import RowBatches, TrainConfig, train

CONFIG = TrainConfig(
    steps=7, batch_size=4, learning_rate=0.1, weight_decay=0.0, dtype="float32", clip=0.0, checkpoint_seconds=0.0
)


class Stop(Exception):  # noqa: N818
    """Stands for a kill."""


def rows():
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def layer():
    torch.manual_seed(0)
    return nn.Linear(3, 2, bias=False)


def run(folder=None, until=None, config=CONFIG):
    def on_row(row):
        if row["step"] == until:
            raise Stop

    encoder, seen = layer(), []
    batches = RowBatches(Data.alone(Items("vector", rows())), encoder, view=(None, lambda x: x.square()))
    taken = batches.payload
    batches.payload = lambda chosen, among=None: seen.append(chosen) or taken(chosen, among)
    result = train(encoder, batches, InTurn(Alignment(), InfoNCE(0.5)), config, folder=folder, on_row=on_row)
    return encoder.weight.detach(), seen, result


def test_it_is_a_naive_loop_with_two_optimisers():
    found, seen, result = run()
    encoder, rate = layer(), [0.1, *(0.05 * (1 + torch.cos(torch.pi * torch.arange(6) / 6))).tolist()]
    optimizers = [torch.optim.AdamW(encoder.parameters(), weight_decay=0.0) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(seen[::2], seen[1::2], strict=False))
    assert not torch.equal(seen[0], seen[2])
    for step, chosen in enumerate(seen):
        a, b = (F.normalize(encoder(x), dim=1) for x in (rows()[chosen], rows()[chosen].square()))
        turns = (a - b).square().sum(1).mean(), F.cross_entropy(a @ b.T / 0.5, torch.arange(4))
        optimizer = optimizers[step % 2]
        optimizer.param_groups[0]["lr"] = rate[step]
        encoder.zero_grad()
        turns[step % 2].backward()
        optimizer.step()
        assert result.history[step]["loss"] == pytest.approx(turns[step % 2].item(), rel=1e-4)
    torch.testing.assert_close(found, encoder.weight.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stop", [3, 4])
def test_resumed_is_unbroken(tmp_path, stop):
    with pytest.raises(Stop):
        run(tmp_path, until=stop)
    assert torch.equal(run(tmp_path)[0], run()[0])


def test_an_epoch_is_all_rows_for_each():
    seen = run(config=TrainConfig(epochs=1, batch_size=4, dtype="float32"))[1]
    assert len(seen) == 4
    assert sorted(torch.cat(seen[::2]).tolist()) == list(range(8))


def test_nothing_has_no_turn():
    with pytest.raises(InputError, match="no objective"):
        InTurn()
