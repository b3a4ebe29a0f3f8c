"""MO-SCNTM: the evidence bound and the contrast of sets by loops, and the shortest mean of their gradients."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from counterpoint.data import Example
from counterpoint.objectives import TopicELBO
from counterpoint.systems import get
from counterpoint.systems.sentences import mo_scntm
from counterpoint.testbeds import Trained
from counterpoint.testbeds.topics import TOPICS, WORDS
from systems.through import same
from systems.words import step_of_texts

KINDS = ("film", "game", "vote", "bank")
TEXTS = [
    Example(f"{kind} {kind} news {kind} {place} today said {KINDS[i % 3]} report {place}")
    for i, place in enumerate(("rome", "oslo", "lima", "bern"))
    for kind in KINDS
]


def step_on(method, n=10):
    return step_of_texts(method, TEXTS, n=n)


def points(step):
    """Sample, mean and log-variance of documents, of the versions that attract, and of those that repel."""
    (call,) = {id(call): call for call in step.calls}.values()
    drawn, mean, spread = torch.cat([call[side].z.detach() for side in ("queries", "keys")]).unbind(1)
    noise = (drawn - mean) / (spread / 2).exp()
    _, mean, spread = step.network(step.payload.inputs).unbind(1)
    return torch.stack([mean + (spread / 2).exp() * noise, mean, spread], 1)


def bound(step, codes):
    """Of each document its words one by one, and the divergence from the prior."""
    z, mean, spread = codes[:10].unbind(1)
    texts = [TEXTS[i].anchor.split() for i in step.calls[0]["queries"].columns["sample"].tolist()]
    known = Counter(word for e in TEXTS[:10] for word in set(e.anchor.split()))
    words = sorted(known, key=lambda word: (-known[word], word))
    (model,) = (part for part in step.objective.modules() if isinstance(part, TopicELBO))
    prior, total = Normal(0.0, (1 - 1 / TOPICS) ** 0.5), torch.zeros(())
    for i, text in enumerate(texts):
        said = (z[i].exp() / z[i].exp().sum()) @ model.decoder.weight.T + model.decoder.bias
        for word in text:
            total = total - torch.log(said[words.index(word)].exp() / said.exp().sum())
        total = total + kl_divergence(Normal(mean[i], (spread[i] / 2).exp()), prior).sum()
    return total / len(texts)


def contrast(codes, size=4):
    """Set by set, topic by topic."""
    mine, near, far = (z.exp() / z.exp().sum(1, keepdim=True) for z in codes[:, 0].split(10))
    sets, total = [range(10)[i : i + size] for i in range(0, 10, size)], torch.zeros(())

    def pooled(side, rows, most):
        return torch.stack([(max if most else min)(side[i, t] for i in rows) for t in range(TOPICS)])

    for rows in sets:
        low, alike = pooled(mine, rows, most=False), pooled(near, rows, most=False)
        high, unlike = pooled(mine, rows, most=True), pooled(far, rows, most=True)
        attracts, repels = (torch.exp(a @ b / (a.norm() * b.norm())) for a, b in ((low, alike), (high, unlike)))
        total = total - torch.log(attracts / (attracts + repels)) / len(sets)
    return total


def test_losses_are_those_of_naive_loops_and_gradients_the_shortest_mean():
    step = step_on("mo-scntm")
    assert step.layers() == ["Softplus", "Linear", "BatchNorm1d"]
    codes = points(step)
    cut = codes.detach().requires_grad_()
    g1, g2 = (torch.autograd.grad(loss, cut)[0].double() for loss in (bound(step, cut), contrast(cut)))
    low, high = 0.0, 1.0
    for _ in range(100):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        shorter = (a * g1 + (1 - a) * g2).norm() < (b * g1 + (1 - b) * g2).norm()
        low, high = (low, b) if shorter else (a, high)
    one, other = bound(step, codes), contrast(codes)
    mean = low * one + (1 - low) * other
    same(step, mean + (one + other - mean).detach(), rtol=1e-3)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        (mo_scntm.topic_model(), bound),
        ("scntm", lambda step, codes: bound(step, codes) + contrast(codes)),
    ],
)
def test_arms_have_no_contrast_or_a_fixed_weight(method, wanted):
    step = step_on(method)
    assert step.layers() == ["Softplus", "Linear", "BatchNorm1d"]
    same(step, wanted(step, points(step)), rtol=1e-3)


def test_documents_are_sets_of_one():
    step = step_on(mo_scntm.by_document())
    assert step.calls[0]["queries"].columns["set"].tolist() == list(range(10))
    codes = points(step)
    assert step.loss == pytest.approx((bound(step, codes) + contrast(codes, size=1)).item(), rel=1e-4)
    makes = (get("mo-scntm").method, mo_scntm.topic_model, mo_scntm.by_document, get("scntm").method)
    assert len({Trained(make).key for make in makes}) == 4


def test_versions_keep_or_lose_the_telling_words():
    step = step_on("mo-scntm")
    queries, keys = (step.calls[0][side] for side in ("queries", "keys"))
    assert keys.columns["sample"].tolist() == [*queries.columns["sample"].tolist(), *[-1] * 10]
    assert queries.columns["words"].shape == (10, WORDS)
    assert keys.columns["set"].tolist() == queries.columns["set"].tolist() * 2
