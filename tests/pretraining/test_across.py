"""Cross-unmasking: the same loss and gradients in chunks and on several processes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.pretraining import CrossUnmasking
from counterpoint.training._processes import Processes
from pretraining.test_guessing import same_in_chunks, task_of


@pytest.fixture
def task(encoder, texts):
    return task_of(lambda *sides, **options: CrossUnmasking(*sides, texts[::-1], layers=1, **options), encoder, texts)


def test_chunks_give_the_loss_and_gradient_of_the_whole(task):
    same_in_chunks(task, 200, atol=1e-6)


def test_a_process_has_its_share_of_the_vocabulary_and_all_of_its_sentences(task, monkeypatch):
    payload = task.payload(torch.arange(4))
    z = task(payload.inputs)
    monkeypatch.setattr(Processes, "current", lambda: Processes(rank=1, world=2))
    call = payload.arguments(z)
    kind, every = call["keys"].columns["kind"], len(task.encoder.tokenizer)
    assert int((kind == 0).sum()) == every // 2
    assert int((kind == 1).sum()) == 4


def test_what_stands_where_is_told_by_place_and_sentence(task):
    task.eval()
    payload = task.payload(torch.arange(3))
    z = task(payload.inputs)
    first = payload.inputs[0]
    m = first["at"].shape[1]
    # another translation changes what is guessed, and no vector of the first side
    swapped = task((first, payload.take(payload.inputs, torch.tensor([1, 2, 0]))[1]))
    torch.testing.assert_close(swapped[:, 0], z[:, 0], rtol=1e-4, atol=1e-5)
    there = first["at"] >= 0
    assert bool(((swapped[:, 2 : 2 + m] - z[:, 2 : 2 + m]).abs().amax(2)[there] > 1e-6).all())
    torch.testing.assert_close(swapped[:, 1], z[torch.tensor([1, 2, 0]), 1], rtol=1e-4, atol=1e-5)


def test_sentences_without_translation_are_refused(encoder, texts):
    with pytest.raises(InputError, match="64 sentences and 63 translations"):
        CrossUnmasking(encoder, texts, texts[1:])
