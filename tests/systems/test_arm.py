"""ARM: margins of the scores against the similarity of the documents themselves, by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import AdaptiveMargin
from counterpoint.points import Points
from systems.stages import stage


def cosine(a, b):
    return float(F.cosine_similarity(a, b, dim=0))


def test_loss_is_the_squared_error_of_margins_by_hand():
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(3, 4, generator=g, dtype=torch.float64), torch.randn(5, 4, generator=g, dtype=torch.float64)
    own = torch.randn(3, 2, 4, generator=g, dtype=torch.float64)
    queries = Points(q, sample=torch.tensor([0, 1, 2]))
    keys = Points(k, sample=torch.tensor([2, 0, 1, -1, -1]))
    place = {0: 1, 1: 2, 2: 0}
    total = 0.0
    for i in range(3):
        p = k[place[i]]
        others = [k[j] for j in range(5) if j != place[i]] + list(own[i])
        errors = [(cosine(q[i], p) - cosine(q[i], n) - (cosine(p, n) + 1) / 2) ** 2 for n in others]
        total += sum(errors) / len(errors)
    found = stage("arm").objective()(queries, keys, owned=Points(own, positive=torch.zeros(3, 2)))
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
