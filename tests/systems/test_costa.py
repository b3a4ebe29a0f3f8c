"""COSTA: guesses of masked tokens, and a text's projected vector among the means of all spans and other texts."""

from __future__ import annotations

import pytest
import torch

from counterpoint.pretraining import Condenser, MaskedLM, SpanPrediction
from counterpoint.systems import get
from counterpoint.systems.retrieval import costa
from systems.decoders import LONG, by_products, guessed, present, shown, step_of_stage
from systems.through import same
from systems.words import PAIRS


def naive(step):
    """Text by text: the loss of the guesses, the projected vectors, and the means of spans."""
    task, inputs = step.network[0], step.payload.inputs
    known = step.calls[0]["queries"].columns
    answers = known["sample"][known["text"] == 0].tolist()
    losses, texts, spans = [], [], []
    for ids, at, drawn in zip(shown(step), inputs["at"], inputs["spans"], strict=True):
        states = task.encoder.model(input_ids=ids[None]).last_hidden_state[0]
        losses += [guessed(task, states[p], torch.tensor(answers.pop(0))) for p in present(at)]
        texts.append(task.projector(states[:1])[0])
        spans.append([states[a:b].mean(0) for a, b in drawn.tolist()])
    return torch.stack(losses).mean(), texts, spans


def grouped(texts, spans):
    """The mean over texts, and over their own spans, at a temperature of 0.1."""
    total = torch.zeros(())
    for i, z in enumerate(texts):
        others = [other for j, other in enumerate(texts) if j != i]
        scores = torch.stack([z @ v / 0.1 for v in [*others, *(s for group in spans for s in group)]])
        own = torch.stack([z @ s / 0.1 for s in spans[i]])
        total = total + (torch.logsumexp(scores, 0) - own).mean() / len(texts)
    return total


def test_loss_is_that_of_a_naive_loop_over_tokens_and_groups():
    step = step_of_stage("COSTA", n=6)
    guesses, texts, spans = naive(step)
    contrast = grouped(texts, spans)
    assert contrast.item() > 1
    same(step, guesses + contrast, rtol=1e-3)
    guesses, _, _ = naive(step)
    with pytest.raises(AssertionError):
        same(step, guesses, rtol=1e-3)


def test_spans_are_words_of_four_sizes_five_of_each():
    examples = [type(LONG[0])(f"about {k}", (" ".join(f"{k}{i}" for i in range(90)),)) for k in "abcdefgh"]
    step = step_of_stage("COSTA", n=6, examples=examples)
    task, inputs = step.network[0], step.payload.inputs
    assert (task._share, task._whole_words, task.encoder.pooling) == (0.15, True, "cls")
    assert inputs["spans"].shape[1] == 20
    for drawn, row in zip(inputs["spans"], inputs["offsets"].diff().tolist(), strict=True):
        assert drawn.min() >= 1
        assert drawn.max() <= row - 1
        words = (drawn[:, 1] - drawn[:, 0]).view(4, 5)
        mean = words.float().mean(1)
        assert mean[0] < mean[1] < mean[2] <= mean[3]
        assert (words[3] == row - 2).all()  # a paragraph would be longer than all that is read
        assert len(set(map(tuple, drawn[:5].tolist()))) > 1


def test_the_baselines_are_a_masked_lm_and_a_condenser_of_the_same_texts():
    first, second = get("COSTA").method().stages
    for make, kind in ((costa.mlm, MaskedLM), (costa.condenser, Condenser)):
        task = step_of_stage(make()).network[0]
        assert (type(task), len(task)) == (kind, 2 * len(LONG))
        assert (make().stages[0].train, make().stages[1]) == (first.train, second)
    assert type(step_of_stage("COSTA").network[0]) is SpanPrediction


def test_fine_tuning_is_by_products():
    step = step_of_stage("COSTA", 1, examples=PAIRS)
    assert len(step.calls[0]["keys"]) == 8
    same(step, by_products(step, 4), rtol=1e-3)
