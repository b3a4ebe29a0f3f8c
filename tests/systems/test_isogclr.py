"""iSogCLR: moving averages, temperatures and gradient of algorithm 1, by hand over three steps and as it is used."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import IndividualTemperature
from counterpoint.points import Points
from counterpoint.systems.core.isogclr import RHOS, isogclr, one_temperature, plain_simclr
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of

N, RHO, GAMMA, RATE, BETA, START, LEAST, MOST, CLIP = 4, 0.7, 0.8, 0.5, 0.9, 0.25, 0.125, 0.4, 0.6


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
            gradient = min(CLIP, max(-CLIP, math.log(s[i]) + RHO - sum(stress[i]) / 2))
            u[i] = (1 - BETA) * u[i] + BETA * gradient
            tau[i] = min(MOST, max(LEAST, tau[i] - RATE * u[i]))
        loss = sum(losses) / len(losses)
    return loss, surrogate / (2 * n), tau, s


def test_loss_and_gradient_are_algorithm_1_s_from_the_state_that_is_kept():
    # the same eight pictures three times, so that there is a state
    step = step_of("isogclr", DIGITS.parts(0)[0][:8], steps=3)
    state, z = step.objective, F.normalize(torch.cat(step.z()), dim=1)
    ids = step.calls[0]["queries"].columns["sample"]
    n, loss, surrogate = len(ids), 0.0, torch.zeros(())
    assert float(state.log_mean[ids].min()) > -math.inf
    assert len(state.tau[ids].unique()) == n
    for row in range(2 * n):
        tau, old = float(state.tau[ids[row % n]]), float(state.log_mean[ids[row % n]].exp())
        h = torch.stack([z[row] @ z[k] - z[row] @ z[(row + n) % (2 * n)] for k in range(2 * n) if k % n != row % n])
        u = 0.2 * old + 0.8 * float((h.detach() / tau).exp().mean())
        surrogate = surrogate + ((h.detach() / tau).exp() / u * h).mean()
        loss += tau * math.log(u) + 0.4 * tau
    same(step, (surrogate - surrogate.detach() + loss) / (2 * n))


def test_constants_and_head_are_the_authors():
    loss = step_of("isogclr").objective
    assert float(loss.tau[0]) == pytest.approx(0.1)
    assert (loss.rho, loss.gamma, loss.rate, loss.momentum) == (0.4, 0.8, 0.03, 0.5)
    assert (loss.minimum, loss.maximum, loss.clip) == (0.05, 1.0, 3.0)
    step = step_of("isogclr")
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    # the baselines have the same head and batch, and as many values are tried
    for recipe in (isogclr(), one_temperature(), plain_simclr(0.5)):
        stage = recipe.stages[-1]
        assert (stage.head(8)[0].weight.shape, stage.train.batch_size) == ((8, 8), 128)
    assert [isogclr(rho).stages[-1].objective().rho for rho in RHOS] == list(RHOS)
    assert plain_simclr(0.5).stages[-1].objective().temperature == 0.5


def test_temperatures_stay_where_they_are_switched_off():
    step = step_of(one_temperature(), DIGITS.parts(0)[0][:8], steps=3)
    assert step.objective.tau.unique().tolist() == pytest.approx([0.1])
    assert float(step.objective.log_mean.max()) > -math.inf


def test_three_steps_are_those_of_algorithm_1_by_hand():
    g = torch.Generator().manual_seed(0)
    batches = [
        (ids, F.normalize(torch.randn(6, 5, generator=g, dtype=torch.float64), dim=1).requires_grad_())
        for ids in ([0, 1, 2], [3, 1, 0], [2, 1, 3])
    ]
    objective = IndividualTemperature(
        N, temperature=START, minimum=LEAST, maximum=MOST, clip=CLIP, rho=RHO, gamma=GAMMA, rate=RATE, momentum=BETA
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
    assert len({round(t, 6) for t in objective.tau.tolist()}) > 1
    assert max(objective.tau.tolist()) == MOST or min(objective.tau.tolist()) == LEAST


def test_evaluation_leaves_the_state_alone():
    objective = IndividualTemperature(4).eval()
    objective(torch.randn(4, 3), torch.randn(4, 3))
    assert objective.tau.tolist() == pytest.approx([0.1] * 4)
    assert float(objective.log_mean.max()) == -torch.inf


@pytest.mark.parametrize("wrong", [{"maximum": 0.08}, {"clip": 0.0}, {"minimum": 0.2}, {"rho": -1.0}])
def test_numbers_out_of_range_are_said(wrong):
    with pytest.raises(InputError, match="give samples"):
        IndividualTemperature(4, **wrong)


def test_unknown_samples_are_said():
    with pytest.raises(Exception, match="samples 0 to 3"):
        IndividualTemperature(4)(torch.randn(5, 3), torch.randn(5, 3))
