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
from counterpoint.systems import get
from counterpoint.systems.core.amcl import BETAS, DIM, HARDEST, HEADS, amcl, one_head, one_temperature, same_head
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def loop(z, phi, hardest, beta=1e-4):
    """Anchor by anchor, as the authors' code has it: chosen by similarity, then divided by the pair's temperature."""
    n, d, total = len(z) // 2, z.shape[1], 0.0
    for i in range(2 * n):
        tau = 1e-5 + (2 - 1e-5) * torch.sigmoid(-phi(z[i]) @ phi(z).T)
        s, own = z[i] @ z.T, (i + n) % (2 * n)
        total = total - s[own] / tau[own] + beta * (d / 2 * tau[own].log() + 1 / tau[own])
        order = s.detach().argsort(descending=True).tolist()
        worst = [j for j in order if j not in (i, own)][:hardest]
        total = total + (s[worst] / tau[worst]).mean()
        total = total - beta * (tau[worst].log() + 1 / tau[worst]).sum()
    return total / (2 * n)


def test_loss_is_that_of_a_naive_loop_over_heads_and_pairs():
    step = step_of("amcl")
    parts = step.objective.objectives
    phi = parts[0].objective.phi
    assert len({id(part.objective.phi) for part in parts}) == 1, "the heads share their perceptron"
    views = [[F.normalize(z, dim=1) for z in view.split(DIM, 1)] for view in step.z()]
    assert len(parts) == len(views[0]) == HEADS
    same(step, sum(loop(torch.cat(pair), phi, HARDEST) for pair in zip(*views, strict=True)))
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_only_the_hardest_negatives_count_in_a_batch_that_has_more():
    step = step_of("amcl-1-head", n=64)
    z = [F.normalize(view, dim=1) for view in step.z()]
    assert HARDEST < 2 * 64 - 2
    same(step, loop(torch.cat(z), step.objective.objectives[0].objective.phi, HARDEST))
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


@pytest.mark.parametrize(("recipe", "heads"), [(amcl(), 3), (one_head(), 1), (one_temperature(), 3), (same_head(), 1)])
def test_heads_are_the_authors_with_batch_norm_in_the_hidden_layer(recipe, heads):
    step = step_of(recipe, DIGITS.parts(0)[0])
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear"] * heads
    for head in step.network[1].heads:
        assert (head[0].out_features, head[-1].out_features) == (512, 128)


def test_constants_are_the_authors_and_one_temperature_is_one():
    recipes = {name: get(name).method() for name in ("amcl", "amcl-1-head")}
    for name, recipe in {**recipes, "one": one_temperature()}.items():
        for part in recipe.stages[-1].objective().objectives:
            loss, ends = part.objective, (0.5, 0.5) if name == "one" else (1e-5, 2.0)
            assert (loss.minimum, loss.maximum, loss.beta, loss.hardest, loss.dim) == (*ends, 1e-4, 100, 128)
            assert (loss.phi[0].out_features, loss.phi[2].out_features) == (128, 128)
    assert [amcl(beta).stages[-1].objective().objectives[2].objective.beta for beta in BETAS] == list(BETAS)
    assert same_head(0.2).stages[-1].objective().temperature == 0.2


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
