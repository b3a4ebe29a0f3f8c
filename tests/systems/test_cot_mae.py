"""CoT-MAE: each of two spans is guessed by the encoder, and by a decoder behind the other one's vector."""

from __future__ import annotations

import pytest
import torch

from counterpoint.pretraining import CoTMAE, MaskedLM
from counterpoint.systems import get
from counterpoint.systems.retrieval import cot_mae
from systems.decoders import LONG, by_products, guessed, present, shown, step_of_stage
from systems.through import same
from systems.words import PAIRS


def naive(step):
    """Text by text: the losses of the encoder's guesses, and of the decoder's."""
    task, inputs = step.network[0], step.payload.inputs
    (call,) = step.calls
    known = call["queries"].columns
    answers = [known["sample"][known["term"] == i].tolist() for i in (0, 1)]
    encoded, decoded = [], []
    for ids, at, reads, asked in zip(shown(step), inputs["at"], inputs["reads 0"], inputs["asked 0"], strict=True):
        states = task.encoder.model(input_ids=ids[None]).last_hidden_state[0]
        encoded += [guessed(task, states[p], torch.tensor(answers[0].pop(0))) for p in present(at)]
        x = task.encoder.model.embeddings(input_ids=torch.tensor([present(reads)]))[0]
        told = task.decoders[0](torch.cat([states[:1], x[1:]])[None])[0]
        decoded += [guessed(task, told[p], torch.tensor(answers[1].pop(0))) for p in present(asked)]
    assert answers == [[], []]
    return torch.stack(encoded).mean(), torch.stack(decoded).mean()


def test_loss_is_that_of_a_naive_loop_over_spans_and_their_contexts():
    step = step_of_stage("CoT-MAE", n=6)
    encoded, decoded = naive(step)
    same(step, encoded + decoded, rtol=1e-3)
    encoded, _ = naive(step)
    with pytest.raises(AssertionError):
        same(step, encoded, rtol=1e-3)


def test_behind_a_vector_is_another_span_of_its_document_both_ways():
    step = step_of_stage("CoT-MAE", n=6)
    task, inputs = step.network[0], step.payload.inputs
    kept = [set(row) for row in map(present, inputs["reads 0"])]
    seen = [set(ids.tolist()) for ids in shown(step)]
    # tokens that neither masking changed: a letter is in one document alone
    for i, j in ((0, 6), (2, 8), (5, 11)):
        for one, other in ((i, j), (j, i)):
            lengths = inputs["offsets"].diff()
            assert len(present(inputs["reads 0"][one])) == lengths[other]
            assert len(seen[other] & kept[one]) > 2
    assert (task._share, task._hidden_share, task._whole_words, len(task.decoders[0].layers)) == (0.3, 0.45, True, 2)


def test_each_span_has_three_kinds_of_context_of_its_own_document():
    task = step_of_stage("CoT-MAE").network[0]
    groups = [task._groups.texts[4 * i : 4 * i + 4] for i in range(len(task))]
    assert len(groups) == 2 * len(LONG)
    whole = {e.positives[0] for e in LONG}
    for anchor, near, overlap, other in groups:
        own = [document for document in whole if anchor in document]
        assert len(own) == 1
        assert all(text in own[0] for text in (near, overlap, other))
        assert anchor not in (near, overlap, other)
        assert set(anchor.split()) & set(overlap.split())


def test_the_vector_is_the_first_tokens_and_fine_tuning_by_products():
    assert step_of_stage("CoT-MAE").network[0].encoder.pooling == "cls"
    step = step_of_stage("CoT-MAE", 1, examples=PAIRS)
    assert len(step.calls[0]["keys"]) == 8
    same(step, by_products(step, 4), rtol=1e-3)


def test_the_baselines_decode_the_span_itself_or_nothing():
    step = step_of_stage(cot_mae.own_text(), n=6)
    encoded, decoded = naive(step)
    same(step, encoded + decoded, rtol=1e-3)
    groups = step.network[0]._groups
    assert groups.texts[::2] == groups.texts[1::2]
    task = step_of_stage(cot_mae.mlm()).network[0]
    assert (type(task), task._share, len(task)) == (MaskedLM, 0.3, 2 * len(LONG))
    first = get("CoT-MAE").method().stages[0]
    assert {make().stages[0].train for make in (cot_mae.own_text, cot_mae.mlm)} == {first.train}
    assert isinstance(step.network[0], CoTMAE)
