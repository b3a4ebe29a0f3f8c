"""AMCL: every head has its own perceptron, every pair its own temperature, only the hardest negatives count."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.heads import Several
from counterpoint.objectives import PairTemperature
from counterpoint.relation import Relation, never
from counterpoint.systems.core.amcl import DIM, HARDEST, HEADS
from systems.views_of_digits import seen_by


def loop(z, phi, hardest, beta=1e-4):
    """Anchor by anchor, as the authors' code has it: chosen by similarity, then divided by the pair's temperature."""
    n, d, total = len(z) // 2, z.shape[1], 0.0
    for i in range(2 * n):
        tau = {j: 1e-5 + (2 - 1e-5) * torch.sigmoid(-phi(z[i]) @ phi(z[j])) for j in range(2 * n) if j != i}
        own = (i + n) % (2 * n)
        total = total - z[i] @ z[own] / tau[own] + beta * (d / 2 * tau[own].log() + 1 / tau[own])
        worst = sorted((j for j in tau if j != own), key=lambda j: -float((z[i] @ z[j]).detach()))[:hardest]
        total = total + sum(z[i] @ z[j] / tau[j] for j in worst) / len(worst)
        total = total - beta * sum(tau[j].log() + 1 / tau[j] for j in worst)
    return total / (2 * n)


def test_loss_is_that_of_a_naive_loop_over_heads_and_pairs():
    config, arguments, _ = seen_by("amcl", n=8)
    torch.manual_seed(1)
    objective = config.objective()
    assert len({id(part.objective.phi) for part in objective.objectives}) == 1, "the heads share their perceptron"
    # untrained perceptrons say little, so that all temperatures are alike
    for parameter in objective.parameters():
        parameter.data *= 3
    z = torch.cat([side.z for side in arguments.values()])
    parts = [F.normalize(part, dim=1) for part in z.split(DIM, 1)]
    assert len(parts) == HEADS
    wanted = sum(loop(z, part.objective.phi, HARDEST) for z, part in zip(parts, objective.objectives, strict=True))
    assert objective(**arguments).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_gradients_reach_vectors_and_perceptron_as_in_the_loop():
    torch.manual_seed(0)
    objective = PairTemperature(5, hidden=7, hardest=2).double()
    z = F.normalize(torch.randn(8, 5, dtype=torch.float64), dim=1).requires_grad_()
    leaves = [z, *objective.parameters()]
    found = torch.autograd.grad(objective(z[:4], z[4:]), leaves)
    wanted = list(torch.autograd.grad(loop(z, objective.phi, 2), leaves))
    # the geometry's own normalisation takes the part along z
    wanted[0] = wanted[0] - (wanted[0] * z).sum(1, keepdim=True) * z
    torch.testing.assert_close(found, tuple(wanted), rtol=1e-6, atol=1e-9)


def test_with_beta_one_a_positive_s_term_is_minus_a_gaussian_s_log_density():
    """`|z_i - z_j|^2 / 2 tau + d / 2 log(2 pi tau)`, but for its constant; without negatives nothing else is there."""
    objective = PairTemperature(3, minimum=0.7, maximum=0.7, beta=1.0, layout="one-way")
    q, k = F.normalize(torch.randn(2, 4, 3), dim=-1)
    density = torch.distributions.Normal(k, math.sqrt(0.7)).log_prob(q).sum(-1)
    alone = Relation(negative=never)
    objective.relation = alone
    wanted = -density.mean() - 3 / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(objective(q, k), wanted)


def test_what_is_refused():
    for numbers in ({"minimum": 0.0}, {"minimum": 3.0}, {"beta": -1.0}, {"hardest": -1}, {"hidden": 0}):
        with pytest.raises(InputError):
            PairTemperature(4, **numbers)
    with pytest.raises(InputError, match="vectors have 3 dimensions, phi is for 4"):
        PairTemperature(4)(torch.eye(3), torch.eye(3))
    with pytest.raises(InputError, match="no heads"):
        Several()
