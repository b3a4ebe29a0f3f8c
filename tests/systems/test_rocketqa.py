"""RocketQA: a second retriever, afresh, on what a cross-encoder takes for negatives and for answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.negatives import denoising
from counterpoint.systems import get
from counterpoint.systems.retrieval.rocketqa import in_batch, oracle, unanswered, unread
from negatives.test_denoising import half, judge, ranked, said
from systems.through import same
from systems.vectors import known_rows, watched
from systems.words import PAIRS, small_bert, small_table, step_of_texts


@pytest.fixture
def told(monkeypatch):
    """What the cross-encoder says is known."""
    monkeypatch.setattr(denoising, "relevance", lambda data, seed, steps: judge)


def test_negatives_are_the_first_that_the_cross_encoder_takes_for_none(told):
    whole, encoder = known_rows(40, 90)
    data = half(whole)
    (prepare,) = get("rocketqa").method().stages[1].prepare
    found = prepare(data, encoder, 0)
    assert 20 < len(found) < 40, "questions that nobody has answered are added"
    for i, answer, (taken,) in zip(found.anchor, found.positives[:, 0], found.negatives, strict=True):
        low = [k for k in ranked(data, encoder, int(i)) if k != answer and said(f"query {i}", f"document {k}") < 0.1]
        assert int(taken) == (low[0] if low else -1)
        assert i % 2 == 1 or said(f"query {i}", f"document {answer}") > 0.9
    for make in (unanswered, unread, oracle, in_batch):
        other = data
        for step in make().stages[1].prepare:
            other = step(other, encoder, 0)
        assert len(other) == 20
        if make is in_batch:
            assert other.negatives is None
            continue
        assert make is unanswered or other.negatives[:, 0].tolist() == [
            next(k for k in ranked(data, encoder, i) if k != i) for i in range(1, 40, 2)
        ]


def test_loss_is_over_all_positives_and_hard_negatives_of_the_batch(told):
    step = step_of_texts("rocketqa")
    (call,) = step.calls
    towers, sides = step.network[0], step.payload.inputs.parts
    q, p = (F.normalize(z, dim=1) for z in (towers.query(sides[0]), towers.document(sides[1])))
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    assert len(p) > len(q) == 8
    total = torch.zeros(())
    for i in range(8):
        scores = [q[i] @ p[j] / 0.05 for j in range(len(p)) if j == i or shown[j] != partner[i]]
        total = total - q[i] @ p[i] / 0.05 + torch.logsumexp(torch.stack(scores), 0)
    same(step, total / 8, rtol=1e-3)
    assert len(step_of_texts(in_batch()).calls[0]["keys"]) == 8


def test_the_second_retriever_begins_where_the_first_began(told):
    asked, data = [], rows_of(PAIRS)
    encoder = small_table(data)
    before = encoder.embedding.weight.detach().clone()
    recipe = watched(get("rocketqa").method().changed(steps=2, batch_size=8, warmup=0.0), asked)
    first, second = recipe.stages
    first = replace(first, train=replace(first.train, learning_rate=0.1))
    # it takes no step that shows
    second = replace(second, train=replace(second.train, learning_rate=1e-12))
    towers, _ = replace(recipe, stages=(first, second)).make(data, encoder=encoder)
    ((_, weights, _),) = asked
    assert not any(torch.allclose(w, before, atol=1e-3) for w in weights if w.shape == before.shape)
    for side in (towers.query, towers.document):
        torch.testing.assert_close(side.embedding.weight.detach(), before, rtol=0, atol=1e-6)


def test_two_encoders_whose_first_token_counts(told):
    towers = step_of_texts("rocketqa", make=small_bert).network[0]
    assert [tower.pooling for tower in (towers.query, towers.document)] == ["cls", "cls"]


def test_rows_without_a_positive_are_no_queries_of_the_first_retriever():
    data = half(rows_of(PAIRS))
    recipe = in_batch()
    step = step_of_texts(replace(recipe, stages=recipe.stages[:1]), data, make=small_table)
    (call,) = step.calls
    assert (len(call["queries"]), len(call["keys"])) == (8, 4)
    towers, sides = step.network[0], step.payload.inputs.parts
    q, p = (F.normalize(z, dim=1) for z in (towers.query(sides[0]), towers.document(sides[1])))
    own = [call["queries"].columns["sample"].tolist().index(k) for k in call["keys"].columns["sample"].tolist()]
    same(step, F.cross_entropy(q[own] @ p.T / 0.05, torch.arange(4)), rtol=1e-3)
