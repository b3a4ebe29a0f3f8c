"""ARM: the margin to each mined document is held to its similarity to the positive, by the same encoder."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import AdaptiveMargin
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core.arm import distilled, infonce, static
from systems.through import same
from systems.words import step_of_texts

PLACE = {0: 1, 1: 2, 2: 0}


def vectors(step):
    """Queries, positives and mined documents of a step of eight rows."""
    return F.normalize(step.network(step.payload.inputs), dim=1).split(8)


def naive(step, target):
    """The mean over queries of the mean over the batch's mined documents."""
    q, p, mined = vectors(step)
    (call,) = step.calls
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    total = torch.zeros(())
    for i in range(8):
        # a copy of the positive is no negative
        others = [n for n in range(8) if shown[8 + n] != partner[i]]
        errors = [(q[i] @ p[i] - q[i] @ mined[n] - target(p[i], mined[n])) ** 2 for n in others]
        total = total + torch.stack(errors).mean()
    return total / 8


def test_loss_is_the_squared_error_of_margins_of_a_naive_loop():
    step = step_of_texts("arm")
    assert step.layers() == ["Identity"]
    same(step, naive(step, lambda p, n: (p @ n + 1) / 2))


@pytest.mark.parametrize("margin", [0.2, 0.5, 0.8])
def test_the_static_margin_has_the_same_error_over_the_same_documents(margin):
    step = step_of_texts(static(margin))
    same(step, naive(step, lambda _p, _n: margin))


def test_each_query_brings_a_document_that_bm25_finds_and_that_is_not_its_answer():
    for make in (get("arm").method, infonce):
        (call,) = step_of_texts(make()).calls
        keys, queries = call["keys"], call["queries"]
        assert keys.columns["sample"].tolist() == [*queries.columns["sample"].tolist(), *[-1] * 8]
        assert not (keys.columns["input"][8:] == queries.columns["partner"]).any()


def test_the_teacher_says_how_sure_to_be_over_the_same_documents():
    step = step_of_texts(distilled())
    (call,) = step.calls
    q, p, mined = vectors(step)
    shown, hashes = call["keys"].columns["input"], call["owned"].columns
    assert hashes["positive"].tolist() == [[1.0, 0.0]] * 8
    total = torch.zeros(())
    for i in range(8):
        target = call["guide"].owned[i].log_softmax(0)
        own = mined[i] if shown[8 + i] != call["queries"].columns["partner"][i] else p[i]
        found = torch.stack([q[i] @ p[i], q[i] @ own]).div(0.05).log_softmax(0)
        total = total + (target.exp() * (target - found)).sum()
    same(step, total / 8, rtol=1e-3)


def cosine(a, b):
    return float(F.cosine_similarity(a, b, dim=0))


def test_loss_by_hand_with_owned_keys():
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(3, 4, generator=g, dtype=torch.float64), torch.randn(5, 4, generator=g, dtype=torch.float64)
    own = torch.randn(3, 2, 4, generator=g, dtype=torch.float64)
    queries = Points(q, sample=torch.tensor([0, 1, 2]))
    keys = Points(k, sample=torch.tensor([2, 0, 1, -1, -1]))
    total = 0.0
    for i in range(3):
        p = k[PLACE[i]]
        others = [k[j] for j in range(5) if j != PLACE[i]] + list(own[i])
        errors = [(cosine(q[i], p) - cosine(q[i], n) - (cosine(p, n) + 1) / 2) ** 2 for n in others]
        total += sum(errors) / len(errors)
    found = AdaptiveMargin()(queries, keys, owned=Points(own, positive=torch.zeros(3, 2)))
    assert found.item() == pytest.approx(total / 3, rel=1e-9)


def test_the_gradient_flows_through_the_target_too():
    q = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    k = torch.tensor([[1.0, 0.5], [0.3, 1.0]], dtype=torch.float64, requires_grad=True)
    sides = Points(q, sample=torch.tensor([0])), Points(k, sample=torch.tensor([0, 1]))
    found = torch.autograd.grad(AdaptiveMargin()(*sides), k)[0]
    p, n = (F.normalize(v, dim=0) for v in k)
    error = (q[0] @ p - q[0] @ n - (p @ n + 1) / 2).square()
    torch.testing.assert_close(found, torch.autograd.grad(error, k)[0])
    assert math.isfinite(float(found.sum()))


def test_other_layouts_are_refused():
    with pytest.raises(InputError, match="one way"):
        AdaptiveMargin(layout="views")(torch.eye(2), torch.eye(2))
