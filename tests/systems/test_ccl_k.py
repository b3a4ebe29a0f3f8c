"""CCL-K: weights by a plain inverse, in the numerator or in the denominator."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import KernelConditional
from counterpoint.points import Points
from counterpoint.systems.core import ccl_k
from systems.stages import stage


def weights(c, ridge, kernel):
    gram = torch.exp(-torch.cdist(c, c).square()) if kernel == "gaussian" else F.normalize(c) @ F.normalize(c).T
    w = torch.linalg.inv(gram + ridge * torch.eye(len(c))) @ gram
    w = w * (1 - torch.eye(len(c)))
    return torch.where(w > 1e-6, w, 0.0)


def loop(z, c, role, t, ridge, kernel):
    """Rows are all views; W is over samples and counts for both views of each."""
    n = len(z) // 2
    w, e = weights(c, ridge, kernel), torch.exp(z @ z.T / t)
    total, rows = 0.0, 2 * n
    for i in range(2 * n):
        own = float(e[i, (i + n) % (2 * n)])
        weighted = sum(float(w[i % n, j % n] * e[i, j]) for j in range(2 * n))
        every = sum(float(e[i, j]) for j in range(2 * n) if j != i)
        if role == "negative":
            total -= math.log(own / (own + (n - 1) * weighted))
        elif weighted:
            total -= math.log(weighted / (weighted + every))
        else:  # nobody stands for this sample
            rows -= 1
    return total / rows


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
@pytest.mark.parametrize("role", ["positive", "negative"])
def test_losses_are_those_of_the_weights_by_inversion(role, kernel):
    g = torch.Generator().manual_seed(0)
    z = F.normalize(torch.randn(10, 4, generator=g, dtype=torch.float64), dim=1)
    c = torch.randn(5, 2, generator=g, dtype=torch.float64)
    sides = [Points(v, sample=torch.arange(5), attribute=c) for v in z.split(5)]
    objective = KernelConditional("attribute", 0.5, role=role, kernel=kernel, ridge=0.1)
    assert objective(*sides).item() == pytest.approx(loop(z, c, role, 0.5, 0.1, kernel), rel=1e-8)


def test_who_shares_the_attribute_counts():
    # two groups: across them the weight is (nearly) nothing
    c = torch.tensor([[0.0], [0.0], [9.0], [9.0]], dtype=torch.float64)
    w = weights(c, 0.1, "gaussian")
    assert float(w[0, 1]) > 0.4
    assert float(w[0, 2]) == 0


def test_the_systems_condition_on_what_their_data_say():
    assert stage("ccl-k").objective().column == "loop"
    assert stage("ccl-k-fair").objective().column == "frame"
    train, _ = ccl_k.with_frame(0)
    corners = train.pixels[:, 0, 0, 0]
    assert bool((corners[train.columns["frame"] == 1] >= 0.7).all())
    with pytest.raises(InputError, match="'loop'"):
        stage("ccl-k").objective()(torch.eye(3), torch.eye(3))
