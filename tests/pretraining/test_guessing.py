"""What holds for every way of guessing: the mean is over the places of the whole batch, however it is executed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.fitting.pretraining import OBJECTIVES
from counterpoint.training import TrainConfig
from counterpoint.training._processes import Processes
from counterpoint.training.loop import _autocast, _backward

CONFIG = TrainConfig(dtype="float32")
TASKS = [*OBJECTIVES.items()]
IDS = list(OBJECTIVES)


def task_of(kind, encoder, texts, **options):
    torch.manual_seed(3)
    task = kind(encoder, texts, **options)
    for part in task.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    return task


def drawn_alike(task, monkeypatch):
    """What is drawn in a forward depends on the text alone, so that chunks draw the same."""
    monkeypatch.setattr(torch, "multinomial", lambda p, _: p.argmax(1, keepdim=True))
    monkeypatch.setattr("counterpoint.pretraining.bottleneck.unseen_keys", lambda there, _: some_unseen(there))


def some_unseen(there):
    place = torch.arange(there.shape[1])
    unseen = ((place[:, None] + 2 * place) % 3 == 0) | torch.eye(len(place), dtype=torch.bool)
    unseen = unseen | ~there[:, None, :]
    unseen[:, :, 0] = False
    return unseen


def gradients(task, chunk_tokens):
    task.zero_grad()
    torch.manual_seed(0)
    payload = task.payload(torch.arange(9))
    config = TrainConfig(dtype="float32", chunk_tokens=chunk_tokens)
    autocast = _autocast(config, torch.device("cpu"))
    network = torch.nn.Sequential(task, torch.nn.Identity())
    loss, _ = _backward(network, None, task.objective(), payload, config, autocast, Processes())
    return loss, {name: p.grad.clone() for name, p in task.named_parameters() if p.grad is not None}


def same_in_chunks(task, tokens, atol):
    """The loss and its gradient are those of the whole batch where chunks have so many tokens."""
    whole, once = gradients(task, 1 << 20)
    parts, twice = gradients(task, tokens)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    assert once.keys() == twice.keys()
    for key in once:
        torch.testing.assert_close(twice[key], once[key], rtol=1e-3, atol=atol, msg=key)


@pytest.mark.parametrize(("name", "kind"), TASKS, ids=IDS)
def test_chunks_give_the_loss_and_gradient_of_the_whole(encoder, texts, monkeypatch, name, kind):
    task = task_of(kind, encoder, texts)
    drawn_alike(task, monkeypatch)
    same_in_chunks(task, 60, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), TASKS, ids=IDS)
def test_every_weight_of_the_encoder_learns(encoder, texts, name, kind):
    task = task_of(kind, encoder, texts)
    _, found = gradients(task, 1 << 20)
    silent = {
        n for n, p in task.encoder.named_parameters() if f"encoder.{n}" not in found or not found[f"encoder.{n}"].any()
    }
    # a softmax over keys does not see what all of them have in common
    assert not {n for n in silent if not n.endswith("key.bias")}


@pytest.mark.parametrize(("name", "kind"), TASKS, ids=IDS)
def test_terms_are_means_of_cross_entropies(encoder, texts, name, kind):
    task = task_of(kind, encoder, texts)
    torch.manual_seed(0)
    payload = task.payload(torch.arange(9))
    call = payload.arguments(task(payload.inputs))
    q, k = call["queries"], call["keys"]
    expected = 0.0
    for i, weight in enumerate(task.weights):
        mine = q.columns["term"] == i if "term" in q.columns else torch.ones(len(q), dtype=torch.bool)
        keys = k[k.columns["term"] == i] if "term" in k.columns else k
        place = (q.columns["sample"][mine, None] == keys.columns["sample"]).int().argmax(1)
        assert mine.any()
        expected = expected + weight * F.cross_entropy(q.z[mine] @ keys.z.T, place)
    torch.testing.assert_close(task.objective()(**call), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), TASKS, ids=IDS)
def test_what_is_drawn_is_drawn_anew(encoder, texts, name, kind):
    task = task_of(kind, encoder, texts)
    torch.manual_seed(0)
    first, second = (task.payload(torch.arange(9)).inputs for _ in range(2))
    assert any(
        first[key].shape != second[key].shape or not torch.equal(first[key], second[key])
        for key in ("input_ids", "at")
        if key in first
    )
