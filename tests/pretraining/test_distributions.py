"""Contrasted maskings: points of every process fit together, and divergences are what inner products say."""

from __future__ import annotations

import pytest
import torch

from counterpoint.points import Points
from counterpoint.pretraining import MaskedAndContrasted, WordDistributions
from counterpoint.training._processes import Processes

KINDS = [MaskedAndContrasted, WordDistributions]


@pytest.fixture
def task_of(encoder, texts, monkeypatch):
    """Every third token is masked, whoever draws."""

    def make(kind):
        torch.manual_seed(1)
        task = kind(encoder, texts, always=True)
        monkeypatch.setattr(task, "_draws", lambda features: (features["input_ids"] % 3 == 0) * -1.0 + 0.5)
        return task

    return make


def calls_of(task, shares, monkeypatch):
    """What each process gives, with its share of the rows."""
    calls = []
    for rank, rows in enumerate(shares):
        monkeypatch.setattr(Processes, "current", lambda rank=rank: Processes(rank=rank, world=len(shares)))
        payload = task.payload(rows)
        calls.append(payload.arguments(task(payload.inputs)))
    return calls


@pytest.mark.parametrize("kind", KINDS)
def test_processes_together_have_the_loss_and_gradient_of_one(task_of, monkeypatch, kind):
    task, rows, found = task_of(kind), torch.arange(8), []
    for shares in ([rows], [rows[::2], rows[1::2]]):
        calls = calls_of(task, shares, monkeypatch)
        loss = task.objective()(**{side: Points.cat([call[side] for call in calls]) for side in ("queries", "keys")})
        found.append((loss, torch.autograd.grad(loss, list(task.parameters()), allow_unused=True)))
    (one, slope), (several, other) = found
    torch.testing.assert_close(several, one, rtol=1e-5, atol=1e-6)
    for a, b in zip(slope, other, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_inner_products_are_divergences(encoder, texts, bias):
    torch.manual_seed(0)
    task = WordDistributions(encoder, texts, bias=bias).double()
    h = torch.randn(4, 32, dtype=torch.float64)
    query, key = task._compared(h).unbind(1)
    logits = task.decoder(h) @ encoder.model.get_input_embeddings().weight.T
    p = torch.softmax(logits + (task.bias if bias else 0), 1)
    wanted = torch.stack([torch.stack([-(a * (a / b).log()).sum() for b in p]) for a in p])
    torch.testing.assert_close(query @ key.T, wanted, rtol=1e-4, atol=1e-4)
    assert (wanted.fill_diagonal_(-1) < -1e-3).all()
