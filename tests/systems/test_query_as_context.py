"""Query-as-context: a question is written token by token behind the passage's vector, or is near it in a contrast."""

from __future__ import annotations

import random

import pytest
import torch

from counterpoint.pretraining import CoCondenser
from counterpoint.systems import get
from counterpoint.systems.retrieval import query_as_context
from counterpoint.testbeds.questions import WORDS, asked_by_rule
from systems.decoders import LONG, by_products, guessed, present, shown, step_of_stage
from systems.test_cocondenser import naive as condensed
from systems.test_cocondenser import nt_xent
from systems.through import same
from systems.words import PAIRS


def naive(step):
    """Text by text: the losses of the encoder's guesses, and of what is written, a place at a time.

    A place of the one layer knows the vector, itself and the two before it, and nothing else need be computed.
    """
    task, inputs = step.network[0], step.payload.inputs
    known = step.calls[0]["queries"].columns
    answers = known["sample"][known["term"] == 0].tolist()
    encoded, written = [], []
    for ids, at, reads in zip(shown(step), inputs["at"], inputs["reads 0"], strict=True):
        states = task.encoder.model(input_ids=ids[None]).last_hidden_state[0]
        encoded += [guessed(task, states[p], torch.tensor(answers.pop(0))) for p in present(at)]
        tokens = torch.tensor(present(reads))
        x = task.encoder.model.embeddings(input_ids=tokens[None])[0]
        x = torch.cat([states[:1], x[1:]])
        for place in range(len(tokens) - 1):
            seen = sorted({0, *range(max(place - 2, 0), place + 1)})
            told = task.decoders[0](x[seen][None])[0, -1]
            written.append(guessed(task, told, tokens[place + 1]))
    assert answers == []
    return torch.stack(encoded).mean(), torch.stack(written).mean()


def test_loss_is_that_of_a_naive_loop_that_writes_token_by_token():
    step = step_of_stage("Query-as-context", n=6)
    encoded, written = naive(step)
    same(step, encoded + written, rtol=1e-3)
    encoded, _ = naive(step)
    with pytest.raises(AssertionError):
        same(step, encoded, rtol=1e-3)
    task = step.network[0]
    assert (task._share, task._window, task._whole_words, len(task.decoders[0].layers)) == (0.3, 3, True, 1)


def test_questions_are_of_their_own_passage_and_of_another_where_switched_off():
    for method, own in (("Query-as-context", True), (query_as_context.strangers(), False)):
        groups = step_of_stage(method).network[0]._groups
        rows = [groups.texts[3 * i : 3 * i + 3] for i in range(len(groups))]
        assert len(rows) == 2 * len(LONG)
        of = [all(set(question.split()) <= set(span.split()) for question in rest) for span, *rest in rows]
        assert all(of) if own else not any(of)


def test_a_question_is_some_words_in_their_order():
    words = [f"w{i}" for i in range(20)]
    asked = [asked_by_rule("Ask.\n\nThe " + " ".join(words), random.Random(seed)).split() for seed in range(20)]
    assert all(len(a) == WORDS and a == sorted(a, key=words.index) for a in asked)
    assert len({tuple(a) for a in asked}) > 10
    assert len(asked_by_rule("Ask.\n\na0 a1 a2 a3", random.Random(0)).split()) == 2
    assert asked_by_rule("Ask.\n\nof the", random.Random(0)) in ("of", "the")


def test_the_contrastive_one_has_a_passage_and_a_question():
    step = step_of_stage("coCondenser-qc")
    late, head, vectors = condensed(step)
    same(step, late + head + nt_xent(vectors), rtol=1e-3)
    task = step.network[0]
    first, second = task._groups.draw(torch.arange(len(task)).repeat(9))
    assert (first % 3).tolist() == [0] * len(first)
    assert set((second % 3).tolist()) == {1, 2}
    spans = step_of_stage(query_as_context.by_spans()).network[0]
    assert (type(spans), len(spans._groups.texts)) == (CoCondenser, 2 * len(LONG))


def test_the_vector_is_the_first_tokens_and_fine_tuning_by_products():
    assert step_of_stage("Query-as-context").network[0].encoder.pooling == "cls"
    for name in ("Query-as-context", "coCondenser-qc"):
        step = step_of_stage(name, 1, examples=PAIRS)
        assert len(step.calls[0]["keys"]) == 8
        same(step, by_products(step, 4), rtol=1e-3)
    rates = [s.train.learning_rate for n in ("Query-as-context", "coCondenser-qc") for s in get(n).method().stages]
    assert rates == [4e-4, 2e-5, 1e-4, 2e-5]
