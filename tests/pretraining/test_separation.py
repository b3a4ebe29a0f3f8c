"""Source separation: the same loss and gradients in chunks and on several processes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.pretraining import SourceSeparation
from counterpoint.pretraining.separation import TOKENS
from counterpoint.training._processes import Processes
from pretraining.test_guessing import same_in_chunks, task_of


@pytest.fixture
def task(encoder, texts):
    return task_of(lambda *sides, **options: SourceSeparation(*sides, texts[::-1], **options), encoder, texts)


def test_chunks_give_the_loss_and_gradient_of_the_whole(task):
    same_in_chunks(task, 200, atol=1e-5)


def test_a_process_has_its_share_of_the_vocabulary_and_all_of_its_variables(task, monkeypatch):
    payload = task.payload(torch.arange(4))
    z = task(payload.inputs)
    monkeypatch.setattr(Processes, "current", lambda: Processes(rank=1, world=2))
    call = payload.arguments(z)
    assert len(call["keys"]) == len(task.encoder.tokenizer) // 2
    assert int((call["queries"].columns["kind"] != TOKENS).sum()) == 4 * 3 * 32


def test_a_translation_is_told_the_other_sentence_and_what_is_rebuilt_its_own_language(task):
    task.eval()
    payload = task.payload(torch.arange(3))
    first, second = payload.inputs
    first["read"][:] = 0
    z, m = task(payload.inputs), first["whole"].shape[1] - 1
    turned = payload.take(payload.inputs, torch.tensor([1, 2, 0]))[1]
    other = task((first, turned))
    there = first["whole"][:, 1:] >= 0
    after = [slice(6, 6 + m), slice(6 + m + second["whole"].shape[1] - 1, 6 + 2 * m + second["whole"].shape[1] - 1)]
    moved = [(other[:, part] - z[:, part]).abs().amax(2)[there] > 1e-6 for part in after]
    assert bool(moved[0].all())
    assert not moved[1].any()


def test_sentences_without_translation_or_language_are_refused(encoder, texts):
    with pytest.raises(InputError, match="64 sentences and 63 translations"):
        SourceSeparation(encoder, texts, texts[1:])
    with pytest.raises(InputError, match=r"languages of shape \(64,\) for 64 pairs"):
        SourceSeparation(encoder, texts, texts, languages=torch.zeros(64).long())
