"""AR2: lists of the retriever's own, a ranker that learned from them, and both terms by half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.retrieval import ar2
from counterpoint.training.lists import cross_encoder, lists
from systems.through import same
from systems.vectors import known_rows, own_pairs, watched
from systems.words import small_bert, step_of_texts


def short_ranker(data, seed, *, steps=200):
    """In fewer steps."""
    return cross_encoder(data, seed, steps=max(1, steps // 40))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("counterpoint.training.lists.cross_encoder", short_ranker)


def naive(step, *, inner=True):
    """The adversarial term, the distillation and the cross-entropy of the labels, one document at a time."""
    (call,) = step.calls
    owned, teacher = call["owned"], call["guide"].owned.double()
    z = step.network(step.payload.inputs)
    if inner:
        assert (z.norm(dim=1) - 1).abs().max() > 1e-2, "vectors are compared as they are"
    else:
        z = F.normalize(z, dim=1)
        owned = owned.with_z(F.normalize(owned.z, dim=2))
    q, keys = z[:8], z[8:]
    against, like, own = torch.zeros(()), torch.zeros(()), torch.zeros(())
    for i in range(8):
        there = owned.columns["valid"][i].nonzero()[:, 0].tolist()
        # which of the batch's passages each is
        rows = [int((owned.z[i, j] - keys.detach()).square().sum(1).argmin()) for j in there]
        assert rows[0] == i
        g = torch.stack([q[i] @ keys[k] / (1 if inner else 0.05) for k in rows]).softmax(0)
        t = [teacher[i, j] for j in there]
        d = torch.stack(t).softmax(0)
        for k, told in enumerate(t):
            reward = (t[0].exp() / (t[0].exp() + told.exp())).log()
            against = against + reward * g[k].log() / 8
            like = like + d[k] * (d[k].log() - g[k].log()) / 8
        own = own - g[0].log() / 8
    return against, like, own


def test_loss_is_that_of_a_naive_loop_over_what_the_ranker_finds_hard():
    step = step_of_texts("ar2")
    assert step.calls[0]["owned"].z.shape[1] == 16
    against, like, _ = naive(step)
    assert against > 0.1
    assert like > 0.01
    same(step, 0.5 * against + 0.5 * like, rtol=1e-3)


def test_arms_leave_out_a_term_or_the_ranker():
    for make, which in ((ar2.adversarial_alone, 0), (ar2.distilled, 1), (ar2.without_ranker, 2)):
        step = step_of_texts(make())
        same(step, naive(step, inner=False)[which], rtol=1e-3)


def test_what_the_ranker_finds_hard_is_found_the_more():
    step = step_of_texts(ar2.adversarial_alone())
    (call,) = step.calls
    scores = (call["queries"].z[:, None] * call["owned"].z).sum(2)
    even = call["owned"].with_z(torch.zeros_like(call["owned"].z).requires_grad_())
    (gradient,) = torch.autograd.grad(step.objective(**{**call, "owned": even}), even.z)
    pushed = -(gradient * call["queries"].z[:, None]).sum(2)
    told = call["guide"].owned
    for i in range(len(scores)):
        there = call["owned"].columns["valid"][i]
        order = told[i][there].argsort()
        assert (pushed[i][there][order].diff() >= -1e-6).all(), "in the ranker's own order"


def test_it_warms_up_on_bm25_and_then_finds_its_lists_anew_sixteen_times():
    asked = []
    step_of_texts(watched(get("ar2").method(), asked), steps=32)
    assert [i for i, *_ in asked] == [0] + [1] * 16
    assert asked[0][2].negatives.shape[1] == 1
    assert all(found.negatives.shape[1] == 15 for _, _, found in asked[1:])
    assert not torch.equal(asked[1][1][0], asked[2][1][0]), "it has learned in between"
    again = []
    step_of_texts(watched(ar2.in_small(), again), steps=16)
    assert len(again) == 1 + 4
    step_of_texts(watched(ar2.one_round(), again), steps=4)
    assert len(again) == 5 + 2


def test_the_first_stage_contrasts_the_batch_and_the_hard_negatives():
    whole = get("ar2").method()
    step = step_of_texts(replace(whole, stages=whole.stages[:1]))
    (call,) = step.calls
    assert len(call["keys"]) > 8
    z = step.network(step.payload.inputs)
    shown, partner = call["keys"].columns["input"].tolist(), call["queries"].columns["partner"].tolist()
    total = torch.zeros(())
    for i in range(8):
        seen = [k for k in range(len(z) - 8) if k == i or shown[k] != partner[i]]
        total = total + (torch.logsumexp(z[8:][seen] @ z[i], 0) - z[8 + i] @ z[i]) / 8
    same(step, total, rtol=1e-3)


def test_lists_are_drawn_from_the_first_hundred_and_read_by_a_ranker_that_learned_from_them():
    data, encoder = known_rows(40, 400)
    mine, read = get("ar2").method().stages[1].prepare
    mined = mine(data, encoder, 0)
    scores = torch.from_numpy(encoder.sides["query"] @ encoder.sides["document"].T)
    places = scores.argsort(1, descending=True).argsort(1).gather(1, mined.negatives)
    assert mined.negatives.shape == (40, 15)
    assert int(places.max()) < 100
    assert 35 < float(places.double().mean()) < 65
    seen, ranker, listed = read(mined, encoder, 0), short_ranker(mined, 0), lists(mined)
    for i in (0, 7):
        texts = [mined.others.texts[j] for j in listed[i].tolist()]
        said = ranker.score([mined.anchors.texts[i]] * len(texts), texts)
        np.testing.assert_allclose(seen.columns["teacher"][i], said, atol=1e-4)


def test_two_encoders_whose_first_token_counts():
    step = step_of_texts("ar2", make=small_bert)
    towers = step.network[0]
    assert [tower.pooling for tower in (towers.query, towers.document)] == ["cls", "cls"]
    assert own_pairs(step)[0].shape[0] == 8
