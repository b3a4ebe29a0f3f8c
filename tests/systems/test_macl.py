"""MACL: the temperature follows the alignment and rows are reweighted; neither has a gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import MACL
from systems.views_of_digits import seen_by


def loop(z, t0=0.1, alpha=0.5, a0=0.0):
    n = len(z) // 2
    pairs = [float(z[i].detach() @ z[i + n].detach()) for i in range(n)]
    t = t0 * (1 + alpha * (sum(pairs) / n - a0))
    total = torch.zeros((), dtype=z.dtype)
    for i in range(2 * n):
        others = [k for k in range(2 * n) if k != i]
        p = torch.softmax(torch.stack([z[i] @ z[k] / t for k in others]), 0)[others.index((i + n) % (2 * n))]
        total = total - torch.log(p) / (1 - p.detach())
    return total / (2 * n)


def test_loss_is_that_of_a_naive_loop_over_views():
    config, arguments, z = seen_by("macl")
    assert config.objective()(**arguments).item() == pytest.approx(float(loop(z)), rel=1e-4)


def test_gradient_is_that_of_the_loop_where_temperature_and_weights_are_constants():
    z = F.normalize(torch.randn(8, 5, dtype=torch.float64), dim=1).requires_grad_()
    found = torch.autograd.grad(MACL(0.3, alpha=0.9, threshold=0.2)(z[:4], z[4:]), z)[0]
    wanted = torch.autograd.grad(loop(z, 0.3, 0.9, 0.2), z)[0]
    # the geometry's own normalisation takes the part along z
    wanted = wanted - (wanted * z).sum(1, keepdim=True) * z
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-9)


def test_the_better_aligned_the_higher_the_temperature():
    objective, z = MACL(0.1), torch.eye(4)
    scales = []
    for k in (z, z.roll(1, 0)):
        objective(z, k)
        scales.append(float(objective.scale()))
    assert scales[0] == pytest.approx(1 / 0.15)
    assert scales[1] == pytest.approx(1 / 0.1)
