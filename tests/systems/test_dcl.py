"""DCL: NT-Xent without the positive in the denominator, so that its gradient has no common factor."""

from __future__ import annotations

import math

import pytest
import torch

from systems.stages import stage
from systems.views_of_digits import seen_by


def test_loss_is_that_of_a_naive_loop_without_the_positive_in_the_denominator():
    config, arguments, z = seen_by("dcl")
    n, total = len(z) // 2, 0.0
    for i in range(2 * n):
        positive = (i + n) % (2 * n)
        negatives = [float(z[i] @ z[k]) / 0.1 for k in range(2 * n) if k not in (i, positive)]
        total += -float(z[i] @ z[positive]) / 0.1 + math.log(sum(map(math.exp, negatives)))
    assert config.objective()(**arguments).item() == pytest.approx(total / (2 * n), rel=1e-4)


def test_an_easy_positive_does_not_weaken_the_gradient():
    # the paper's point: InfoNCE multiplies the gradient by 1 minus the positive's probability, DCL does not
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.1]], requires_grad=True)
    k = torch.tensor([[1.0, 0.05], [-1.0, 0.0]])
    norms = {}
    for name in ("dcl", "simclr"):
        loss = stage(name).objective()
        loss.layout, loss.temperature = "one-way", 0.1
        norms[name] = float(torch.autograd.grad(loss(q, k), q)[0].norm())
    assert norms["dcl"] > 1e3 * norms["simclr"]
