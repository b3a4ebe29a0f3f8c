"""miCSE: InfoNCE, less the information that attention under one dropout has of that under another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import AttentionBeside
from counterpoint.systems import get
from counterpoint.systems.sentences import micse
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, step_of_texts

LONG = [replace(e, anchor=f"{e.anchor} in the deep dark wood {'very ' * i}near") for i, e in enumerate(ALONE)]


@pytest.fixture(autouse=True)
def _the_same_each_time(monkeypatch):
    """What is dropped and drawn depends on places alone; the second term is heavy, so that it is seen."""

    def dropped(x, p=0.5, training=True, inplace=False):
        kept = (torch.arange(x.numel()) * 7919 % 13 > 0).view(x.shape)
        return x * kept if training and p else x

    monkeypatch.setattr(F, "dropout", dropped)
    monkeypatch.setattr(torch, "multinomial", lambda p, n: torch.argsort(p, dim=1, descending=True, stable=True)[:, :n])
    monkeypatch.setattr(micse, "WEIGHT", 0.5)


def step_on(method="micse", make=small_bert):
    return step_of_texts(method, LONG, make=make, n=12)


def information(step, points=150):
    """Slice by slice, entry by entry."""
    both = step.network(step.payload.inputs)[:, 16:].view(2, 12, 2, 32, 32)
    longest = int(step.payload.inputs["offsets"].diff().max())
    found, shares = [], []
    for text in range(12):
        for head in range(2):
            x, y = (side[text, head, :longest, :longest].flatten() for side in both)
            there = [e for e, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)) if a > 0 and b > 0]
            if len(there) >= points:
                a, b = (side[there[:points]].log() for side in (x, y))
                rho = torch.corrcoef(torch.stack([a, b]))[0, 1]
                found.append(-0.5 * torch.log(1 - rho**2))
                shares.append(len(there) / len(x))
    assert 0 < len(found) < 24
    return torch.stack(found).mean() * ((sum(shares) / len(shares)) ** 2 + 1e-6)


def test_loss_is_that_of_a_naive_loop_over_texts_and_slices():
    step = step_on()
    z = step.network(step.payload.inputs)[:, :16]
    wanted = information(step)
    assert wanted > 0.01
    same(step, contrast(z[:12], z[12:]) - 0.5 * wanted, rtol=1e-3)
    # the second term reaches the encoder by what it attends to
    query = step.network[0].encoder.model.encoder.layer[0].attention.self.query.weight
    assert torch.autograd.grad(information(step), query)[0].norm() > 1e-3


def test_the_layer_is_on_the_vector_alone():
    step = step_on()
    assert step.layers() == ["Linear", "Tanh", "Identity"]
    assert isinstance(step.network[0], AttentionBeside)
    inputs = step.payload.inputs
    bare, made = step.network[0].eval()(inputs), step.network.eval()(inputs)
    assert torch.equal(made[:, 16:], bare[:, 16:])
    torch.testing.assert_close(made[:, :16], step.network[1].first(bare[:, :16]))


def test_the_authors_numbers_stand_in_the_recipe(monkeypatch):
    monkeypatch.undo()
    stage = get("micse").method().stages[0]
    objective = stage.objective()
    assert (objective.weights, objective.objectives[0].objective.temperature) == ((1.0, 1e-3), 0.05)
    assert (stage.train.epochs, stage.train.batch_size, stage.train.learning_rate) == (500, 64, 1e-5)
    assert stage.procedure(8).points == 150
    assert stage.around(small_bert_of()).length == 32
    assert len({Trained(make).key for make in (get("micse").method, get("simcse").method)}) == 2


def small_bert_of():
    from counterpoint.data.rows import rows_of

    return get("micse").method().adapt(small_bert(rows_of(LONG)))


def test_the_first_token_is_taken():
    assert small_bert_of().pooling == "cls"
