"""iSogCLR: moving averages, temperatures and gradient of algorithm 1, by hand over three steps."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import IndividualTemperature
from counterpoint.points import Points

N, RHO, GAMMA, RATE, BETA, START, LEAST = 4, 0.7, 0.8, 0.5, 0.9, 0.25, 0.125


def by_hand(batches):
    """State and loss after each batch of (ids, z) with two views, as plain Python floats."""
    s, tau, u = {}, dict.fromkeys(range(N), START), dict.fromkeys(range(N), 0.0)
    for ids, z in batches:
        n, losses, surrogate = len(ids), [], torch.zeros((), dtype=z.dtype)
        new_s, stress = {i: [] for i in ids}, {i: [] for i in ids}
        for row in range(2 * n):
            i, t = ids[row % n], tau[ids[row % n]]
            h = torch.stack([z[row] @ z[k] - z[row] @ z[(row + n) % (2 * n)] for k in range(2 * n) if k % n != row % n])
            g = float((h.detach() / t).exp().mean())
            own = g if i not in s else (1 - GAMMA) * s[i] + GAMMA * g
            weight = (h.detach() / t).exp() / own
            surrogate = surrogate + (weight * h).mean()
            losses.append(t * math.log(own) + RHO * t)
            new_s[i].append(own)
            stress[i].append(float((weight * h.detach()).mean()) / t)
        for i in ids:
            s[i] = sum(new_s[i]) / 2
            gradient = math.log(s[i]) + RHO - sum(stress[i]) / 2
            u[i] = (1 - BETA) * u[i] + BETA * gradient
            tau[i] = max(LEAST, tau[i] - RATE * u[i])
        loss = sum(losses) / len(losses)
    return loss, surrogate / (2 * n), tau, s


def test_three_steps_are_those_of_algorithm_1_by_hand():
    g = torch.Generator().manual_seed(0)
    batches = [
        (ids, F.normalize(torch.randn(6, 5, generator=g, dtype=torch.float64), dim=1).requires_grad_())
        for ids in ([0, 1, 2], [3, 1, 0], [2, 1, 3])
    ]
    objective = IndividualTemperature(
        N, temperature=START, minimum=LEAST, rho=RHO, gamma=GAMMA, rate=RATE, momentum=BETA
    ).double()
    for ids, z in batches:
        sample = torch.tensor(ids)
        loss = objective(Points(z[:3], sample=sample), Points(z[3:], sample=sample))
    wanted, surrogate, tau, s = by_hand(batches)
    assert loss.item() == pytest.approx(wanted, rel=1e-9)
    assert objective.tau.tolist() == pytest.approx([tau[i] for i in range(N)], rel=1e-9)
    assert objective.log_mean.exp().tolist() == pytest.approx([s[i] for i in range(N)], rel=1e-9)
    z = batches[-1][1]
    found, expected = torch.autograd.grad(loss, z)[0], torch.autograd.grad(surrogate, z)[0]
    expected = expected - (expected * z).sum(1, keepdim=True) * z
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-11)
    assert len({round(t, 6) for t in objective.tau.tolist()}) > 2


def test_evaluation_leaves_the_state_alone():
    objective = IndividualTemperature(4).eval()
    objective(torch.randn(4, 3), torch.randn(4, 3))
    assert objective.tau.tolist() == pytest.approx([0.1] * 4)
    assert float(objective.log_mean.max()) == -torch.inf


def test_unknown_samples_are_said():
    with pytest.raises(Exception, match="samples 0 to 3"):
        IndividualTemperature(4)(torch.randn(5, 3), torch.randn(5, 3))
