"""NV-Retriever: a teacher's first four below 95 % of the positive's score; a student that begins afresh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.retrieval.nv_retriever import naive, oracle, shifted
from counterpoint.testbeds.unmarked import with_copies
from systems.through import same
from systems.vectors import known_rows, own_pairs, watched
from systems.words import PAIRS, small_table, step_of_texts

RULES = {
    "nv-retriever": lambda s, positive, place: s <= 0.95 * positive,
    "nv-retriever-margin": lambda s, positive, place: s <= positive - 0.05,
    "naive": lambda s, positive, place: True,
    "shifted": lambda s, positive, place: place > 10,
}
MADE = {"naive": naive, "shifted": shifted}


def method(name):
    return MADE[name]() if name in MADE else get(name).method()


@pytest.mark.parametrize("name", RULES)
def test_negatives_are_the_first_below_95_percent_of_the_positives_score(name):
    data, encoder = known_rows(30, 130)
    (prepare,) = method(name).stages[1].prepare
    found = prepare(data, encoder, 0).negatives.tolist()
    for i, mine in enumerate(found):
        scores = encoder.sides["document"] @ encoder.sides["query"][i]
        order = [int(k) for k in np.argsort(-scores)[:100]]
        wanted = [k for place, k in enumerate(order, 1) if k != i and RULES[name](scores[k], scores[i], place)][:4]
        assert mine == wanted + [-1] * (4 - len(wanted))
    # and the rules differ here
    assert name == "naive" or found != method("naive").stages[1].prepare[0](data, encoder, 0).negatives.tolist()


def test_the_teacher_mines_and_the_student_begins_where_the_teacher_began():
    asked, data = [], rows_of(PAIRS)
    encoder = small_table(data)
    before = encoder.embedding.weight.detach().clone()
    recipe = watched(get("nv-retriever").method().changed(steps=2, batch_size=8), asked)
    # the student takes no step that shows
    still = replace(recipe.stages[1], train=replace(recipe.stages[1].train, learning_rate=1e-12))
    teacher = replace(recipe.stages[0], train=replace(recipe.stages[0].train, learning_rate=0.1))
    replace(recipe, stages=(teacher, still)).make(data, encoder=encoder)
    ((_, weights, _),) = asked
    assert not any(torch.allclose(w, before, atol=1e-3) for w in weights if w.shape == before.shape)
    torch.testing.assert_close(encoder.embedding.weight.detach(), before, rtol=0, atol=1e-6)


def test_loss_is_infonce_over_the_batch_and_all_that_was_mined():
    step = step_of_texts("nv-retriever")
    q, positive, mined, own = own_pairs(step)
    assert any(own)
    (call,) = step.calls
    shown, partner = call["keys"].columns["input"].tolist(), call["queries"].columns["partner"].tolist()
    keys, total = torch.cat([positive, mined]), torch.zeros(())
    for i, one in enumerate(q):
        others = [k for k in range(len(keys)) if k == i or shown[k] != partner[i]]
        total = total + torch.logsumexp(keys[others] @ one / 0.05, 0) - one @ positive[i] / 0.05
    same(step, total / len(q), rtol=1e-3)


def test_copies_are_what_a_naive_miner_takes_and_who_knows_them_does_not():
    data = with_copies(rows_of([Example(e.anchor, e.positives) for e in PAIRS]), 0)
    n, texts = len(data), data.others.texts
    assert len(texts) == 2 * n
    assert all(set(texts[n + i].split()) <= set(texts[i].split()) for i in range(n))
    encoder = small_table(data, dim=64)
    taken = {make: make().stages[1].prepare[0](data, encoder, 0).negatives for make in (naive, oracle)}
    own = torch.arange(n)[:, None] + n
    # four of 23 would be 0.17
    assert (taken[naive] == own).any(1).float().mean() > 0.4
    assert int(taken[oracle].max()) < n
