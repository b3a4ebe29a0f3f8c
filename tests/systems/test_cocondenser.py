"""coCondenser: guesses twice, the contrast of two spans of each document, then fine-tuning of what is left."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.pretraining import CoCondenser, MaskedLM
from counterpoint.systems import get
from counterpoint.systems.retrieval import cocondenser
from systems.decoders import LONG, by_products, guessed, present, shown, step_of_stage
from systems.through import same
from systems.words import PAIRS


def naive(step):
    """Text by text: the losses of late guesses, of the head's, and the vectors."""
    task, inputs = step.network[0], step.payload.inputs
    late, head, vectors = [], [], []
    for ids, at, whole in zip(shown(step), inputs["at"], inputs["whole"], strict=True):
        output = task.encoder.model(input_ids=ids[None], output_hidden_states=True)
        states, early = output.last_hidden_state[0], output.hidden_states[0][0]
        vectors.append(states[0])
        told = task.head(torch.cat([states[:1], early[1:]])[None])[0]
        for place in present(at):
            late.append(guessed(task, states[place], whole[place]))
            head.append(guessed(task, told[place], whole[place]))
    return torch.stack(late).mean(), torch.stack(head).mean(), vectors


def nt_xent(vectors):
    """Each span against all others, and the other span of its document."""
    total, n = torch.zeros(()), len(vectors)
    for i, h in enumerate(vectors):
        s = torch.stack([h @ other if j != i else torch.tensor(float("-inf")) for j, other in enumerate(vectors)])
        total = total + F.cross_entropy(s, torch.tensor((i + n // 2) % n)) / n
    return total


def test_loss_is_that_of_a_naive_loop_over_tokens_and_spans():
    step = step_of_stage("coCondenser")
    late, head, vectors = naive(step)
    assert nt_xent(vectors).item() > 0.01
    same(step, late + head + nt_xent(vectors), rtol=1e-3)
    late, head, _ = naive(step)
    with pytest.raises(AssertionError):
        same(step, late + head, rtol=1e-3)


def test_both_spans_are_of_one_document():
    step = step_of_stage("coCondenser")
    decode = step.network[0].encoder.tokenizer.decode
    texts = [decode(present(row), skip_special_tokens=True) for row in step.payload.inputs["whole"]]
    whole = [e.positives[0] for e in LONG]
    for first, second in zip(texts[:4], texts[4:], strict=True):
        own = [document for document in whole if first.replace(" ##", "") in document]
        assert len(own) == 1
        assert second.replace(" ##", "") in own[0]
        assert first != second


def test_words_are_masked_whole_and_the_vector_is_the_first_tokens():
    task = step_of_stage("coCondenser").network[0]
    assert (type(task), task._whole_words, task._share, task.encoder.pooling) == (CoCondenser, True, 0.15, "cls")


def test_fine_tuning_is_of_the_first_token_with_a_bm25_negative_by_products():
    step = step_of_stage("coCondenser", 1, examples=PAIRS)
    assert len(step.calls[0]["keys"]) == 8
    same(step, by_products(step, 4), rtol=1e-3)
    first, second = get("coCondenser").method().stages
    assert (first.task is None, second.task, second.afresh) == (False, None, False)


def test_the_baselines_are_a_condenser_of_two_spans_and_a_masked_lm_of_each():
    fine = get("coCondenser").method().stages[1]
    step = step_of_stage(cocondenser.condenser())
    late, head, _ = naive(step)
    same(step, late + head, rtol=1e-3)
    assert (type(step.network[0]), len(step.network[0])) == (CoCondenser, len(LONG))
    alone = step_of_stage(cocondenser.mlm())
    assert (type(alone.network[0]), len(alone.network[0])) == (MaskedLM, 2 * len(LONG))
    assert cocondenser.condenser().stages[1] == cocondenser.mlm().stages[1] == fine
