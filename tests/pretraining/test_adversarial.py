"""An adversarial auto-encoder: the same in chunks and on several processes, and who learns by which term."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.pretraining import AdversarialAutoencoder
from counterpoint.training._processes import Processes
from pretraining.test_guessing import same_in_chunks, task_of


@pytest.fixture
def task(encoder, texts):
    return task_of(AdversarialAutoencoder, encoder, texts, dropout=0.0)


def test_chunks_give_the_loss_and_gradient_of_the_whole(task):
    same_in_chunks(task, 200, atol=1e-5)


def test_a_process_has_its_share_of_the_vocabulary_and_all_of_its_codes(task, monkeypatch):
    payload = task.payload(torch.arange(4))
    z = task(payload.inputs)
    monkeypatch.setattr(Processes, "current", lambda: Processes(rank=1, world=2))
    call = payload.arguments(z)
    assert len(call["keys"]) == len(task.encoder.tokenizer) // 2
    assert int((call["queries"].columns["text"] == 1).sum()) == 4


def learned(part):
    return any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())


def test_codes_learn_by_the_first_logit_alone_and_the_critic_by_the_others(task):
    payload = task.payload(torch.arange(4))
    for i, (critic, encoder) in enumerate([(False, True), (True, False), (True, False)]):
        task.zero_grad()
        task(payload.inputs)[:, 0, i].sum().backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in task.critic.parameters()) is critic
        learned = [
            p.grad is not None and bool(p.grad.any()) for p in (*task.encoder.parameters(), task.variance.weight)
        ]
        assert any(learned) is encoder


def test_a_text_is_read_without_some_words_and_written_whole(task):
    payload = task.payload(torch.arange(8))
    inputs, whole = payload.inputs, task._features
    counts = whole["offsets"].diff()[:8]
    assert int((inputs["whole"] >= 0).sum()) == int(counts.sum())
    assert len(inputs["input_ids"]) < int(counts.sum())
    assert torch.equal(payload.cost, counts)
    every = AdversarialAutoencoder(task.encoder, whole, share=0.0).payload(torch.arange(8)).inputs
    assert len(every["input_ids"]) == int(counts.sum())


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_bounds_is_refused(encoder, texts, share):
    with pytest.raises(InputError, match=f"the share of what is left out is {share}"):
        AdversarialAutoencoder(encoder, texts, share=share)
