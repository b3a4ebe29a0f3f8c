"""AGRaME: what is said of passages, and of their sentences within the same vectors."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.passages import in_sentences
from counterpoint.data.rows import rows_of
from counterpoint.encoders import SpanEncoder
from counterpoint.encoders.propositions import marked
from counterpoint.errors import InputError
from counterpoint.negatives import parts
from counterpoint.negatives.parts import taught_parts
from counterpoint.systems import get
from counterpoint.systems.retrieval import agrame as module
from counterpoint.testbeds import Made
from counterpoint.testbeds.spans import (
    SENTENCES,
    few_packages,
    margin_within,
    packages,
    passage_found,
    seen_packages,
    sentence_found,
)
from counterpoint.training.lists import cross_encoder
from systems.through import same
from systems.words import KINDS, small_bert, small_table, step_of_texts

DATA = rows_of(
    [
        Example(f"{kind} {word}", (f"A {kind} eats at noon. A {kind} sleeps all night long. No {kind} runs.",))
        for kind in KINDS
        for word in ("eats", "sleeps")
    ]
)
DATA = replace(DATA, columns={"answer": torch.arange(len(DATA)) % 2})
steady = partial(small_bert, dropout=0.0)


_TAUGHT = {}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Teachers that learn for a shorter time, once for the same rows."""

    def taught(data, encoder, seed):
        key = (len(data), data.schema, seed)
        if key not in _TAUGHT:
            _TAUGHT[key] = taught_parts(30)(data, encoder, seed)
        return _TAUGHT[key]

    monkeypatch.setattr(module, "taught_parts", lambda: taught)


def late(q, d):
    """Sum over a query's tokens of the best of a document's, over those that are there."""
    q, d = (z[z.abs().sum(1) > 0] for z in (q, d))
    return (q @ d.T).amax(1).sum()


def divergence(teacher, student):
    t, s = torch.log_softmax(torch.stack(teacher), 0), torch.log_softmax(torch.stack(student), 0)
    return (t.exp() * (t - s)).sum()


def naive(step, parts=True):
    """Half of both levels, query by query, from what the teachers said of the data."""
    z, columns = step.network(step.payload.inputs), step.payload.arguments(step.network(step.payload.inputs))
    asked, known = columns["queries"], columns["keys"].columns["input"].tolist()
    n, first, second = len(asked), torch.zeros(()), torch.zeros(())
    for i in range(n):
        listed = asked.columns["listed"][i].tolist()
        passages = [z[n + known.index(key)] for key in listed]
        teacher = list(asked.columns["teacher"][i])
        first = first + divergence(teacher, [late(z[i, 0], d[0]) for d in passages])
        weight = torch.softmax(torch.stack(teacher), 0)
        for w, d, said in zip(weight, passages, asked.columns["parts"][i], strict=True):
            there = [p for p in range(len(said)) if not said[p].isnan()]
            second = second + w * divergence([said[p] for p in there], [late(z[i, 1], d[1 + p]) for p in there])
    return (first + second) / 2 / n if parts else first / n


def test_loss_is_that_of_a_naive_loop_over_passages_and_their_sentences():
    step = step_of_texts("agrame", DATA, make=steady)
    assert len(step.calls) == 2
    same(step, naive(step), rtol=1e-3)


@pytest.mark.parametrize(("method", "parts"), [(module.passages_alone, False), (module.one_marker, True)])
def test_arms_lack_a_level_or_a_marker(method, parts):
    step = step_of_texts(method(), DATA, make=steady)
    same(step, naive(step, parts), rtol=1e-3)
    z = step.network(step.payload.inputs)[:8]
    assert torch.equal(z[:, 0], z[:, 1])


def test_the_marker_of_sentences_is_not_that_of_passages():
    step = step_of_texts("agrame", DATA, make=steady)
    z = step.network(step.payload.inputs)[:8]
    assert not torch.allclose(z[:, 0], z[:, 1], atol=1e-3)
    encoder = get("agrame").method().settle(steady(DATA))
    assert isinstance(encoder, SpanEncoder)
    assert (encoder.prompt("query"), encoder.marker, encoder.prompt("document")) == (
        "query: ",
        "sentence: ",
        "document: ",
    )
    assert encoder.encoder.size == 128


def test_teachers_say_which_sentence_and_which_passage_answers():
    mine, teach = get("agrame").method().stages[0].prepare
    found = teach(mine(DATA, steady(DATA), 0), steady(DATA), 0)
    assert found.others.texts[0] == marked(DATA.others.texts[0], in_sentences(DATA.others.texts[0]))
    assert found.columns["parts"].shape == (len(DATA), 4, 3)
    # of the right passage, which comes first in a list
    best = found.columns["parts"][:, 0].argmax(1)
    assert float((best == DATA.columns["answer"]).float().mean()) > 0.9
    assert float((found.columns["teacher"].argmax(1) == 0).float().mean()) > 0.9
    hashes = found.others.hashes()
    assert torch.equal(found.columns["listed"][:, 0], hashes[found.positives[:, 0]])


def test_where_nothing_says_which_sentence_answers_the_teacher_of_passages_does(monkeypatch):
    mine = get("agrame").method().stages[0].prepare[0]
    seen = []
    real = parts._of_sentences
    monkeypatch.setattr(parts, "_of_sentences", lambda data, answered: seen.append(answered) or real(data, answered))
    found = taught_parts(30)(replace(mine(DATA, steady(DATA), 0), columns={}), steady(DATA), 0)
    model = cross_encoder(mine(DATA, steady(DATA), 0), 0, steps=30)
    queries, right = DATA.anchors[DATA.anchor].texts, DATA.others[DATA.positives[:, 0]].texts
    for query, text, answered in zip(queries, right, seen[0], strict=True):
        own = in_sentences(text)
        first = own[int(model.score([query] * len(own), own).argmax())]
        assert answered[0] == first
        assert sorted(answered) == sorted(own)
    best = found.columns["parts"][:, 0].argmax(1)
    said = [in_sentences(text)[i] for text, i in zip(right, best.tolist(), strict=True)]
    assert np.mean([a == b[0] for a, b in zip(said, seen[0], strict=True)]) > 0.9


def test_what_is_not_known_is_refused():
    mined = get("agrame").method().stages[0].prepare[0](DATA, steady(DATA), 0)
    wrong = {"answer": torch.full((len(DATA),), 3)}
    with pytest.raises(InputError, match="sentence 3 of 3"):
        taught_parts(1)(replace(mined, columns=wrong), steady(DATA), 0)
    with pytest.raises(InputError, match="mine negatives first"):
        taught_parts(1)(DATA, steady(DATA), 0)
    for none in (torch.nn.Linear(2, 2), small_table(DATA)):
        with pytest.raises(InputError, match="transformer"):
            module.spanned(none)


def test_training_makes_sentences_of_a_passage_what_the_teacher_says():
    data, found = DATA, []
    for step in get("agrame").method().stages[0].prepare:
        data = step(data, steady(DATA), 0)
    teacher = data.columns["parts"][:, 0].log_softmax(1)
    for method in (get("agrame").method, module.passages_alone):
        recipe = method().changed(steps=30, batch_size=8, learning_rate=5e-3, dtype="float32", validations=1)
        encoder, _ = recipe.make(DATA, 0, encoder=steady(DATA))
        _, parts = encoder.scores(data.anchors[data.anchor], data.others)
        student = torch.from_numpy(parts)[torch.arange(len(data)), data.positives[:, 0]].log_softmax(1)
        found.append(float((teacher.exp() * (teacher - student)).sum(1).mean()))
    assert found[0] < 0.7 * found[1]


def test_figures_are_those_of_a_loop():
    encoder = get("agrame").method().settle(steady(DATA)).eval()
    made = Made("", encoder, (DATA, DATA), 0)
    texts = [marked(text, in_sentences(text)) for text in DATA.others.texts]
    sets = encoder.each(encoder.tokenize(texts, "document")).detach()
    asked = encoder.each(encoder.tokenize(DATA.anchors.texts, "query")).detach()
    right, whole, margins = 0, 0, []
    for i, q in enumerate(asked):
        passage = [float(late(q[0], d[0])) for d in sets]
        scores = [[float(late(q[1], d[1 + p])) for p in range(3)] for d in sets]
        both = {(j, p): s + passage[j] for j, row in enumerate(scores) for p, s in enumerate(row)}
        own, answer = int(DATA.positives[i, 0]), int(DATA.columns["answer"][i])
        right += max(both, key=both.__getitem__) == (own, answer)
        whole += int(np.argmax(passage)) == own
        margins.append(scores[own][answer] - max(s for p, s in enumerate(scores[own]) if p != answer))
    assert sentence_found.of(made) == pytest.approx(right / len(DATA))
    assert passage_found.of(made) == pytest.approx(whole / len(DATA))
    assert margin_within.of(made) == pytest.approx(np.mean(margins), rel=1e-3, abs=1e-4)


def test_passages_are_five_sentences_and_the_answer_is_the_titles():
    train, test = few_packages(0)
    for data in (train, test):
        assert set(data.columns["answer"].tolist()) == set(range(SENTENCES))
        split = [in_sentences(text) for text in data.others.texts]
        assert {len(own) for own in split} == {SENTENCES}
    assert not set(train.anchors.texts) & set(test.anchors.texts)
    assert len(test) == 100


@pytest.mark.slow
def test_the_oracle_has_the_tests_packages():
    train, test = seen_packages(0)
    assert train is test
    assert test is packages(0)[1]
