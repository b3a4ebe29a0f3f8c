"""Noise among the keys: how much, where it goes, and what has a gradient."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import NoiseNegatives


def call_of(z, **columns):
    sample = torch.arange(len(z))
    return {"queries": Points(z, sample=sample), "keys": Points(z, sample=sample, **columns)}


def crowded(noise, z, t):
    s = F.normalize(z, dim=1) @ F.normalize(noise, dim=1).T / t
    return float(torch.logsumexp(s, 1).mean())


def test_every_step_is_as_long_and_goes_up():
    torch.manual_seed(0)
    z, noise = torch.randn(6, 5), torch.randn(4, 5)
    found = [NoiseNegatives(steps=steps, rate=0.1, temperature=0.2).moved(noise, z) for steps in range(5)]
    assert torch.equal(found[0], noise)
    for before, after in pairwise(found):
        torch.testing.assert_close((after - before).norm(dim=1), torch.full((4,), 0.1))
        assert crowded(after, z, 0.2) > crowded(before, z, 0.2)


@pytest.mark.parametrize(("share", "number"), [(0.5, 3), (1.0, 6), (2.5, 15), (0.01, 1)])
def test_there_are_so_many_for_a_batch(share, number):
    (call,) = NoiseNegatives(share)([call_of(torch.randn(6, 5), guide=torch.ones(6, 2))], None)
    keys = call["keys"]
    assert keys.columns["sample"].tolist() == [*range(6), *[-1] * number]
    assert not keys.columns["guide"][6:].any()
    assert keys.columns["guide"][:6].all()


def test_deviation_is_that_of_what_is_drawn():
    torch.manual_seed(0)
    (call,) = NoiseNegatives(100.0, steps=0, deviation=3.0)([call_of(torch.randn(6, 50))], None)
    assert float(call["keys"].z[6:].std()) == pytest.approx(3.0, rel=0.02)


def test_training_s_gradient_takes_noise_as_it_is():
    z = torch.randn(6, 5, requires_grad=True)
    (call,) = NoiseNegatives(rate=0.1)([call_of(z)], None)
    noise = call["keys"].z[6:]
    (none,) = torch.autograd.grad(noise.sum() + 0 * z.sum(), z, retain_graph=True)
    assert not none.any()
    (found,) = torch.autograd.grad(InfoNCE(0.3)(**call), z)
    unit, n = F.normalize(z, dim=1), F.normalize(noise.detach(), dim=1)
    s = torch.cat([unit @ unit.T, unit @ n.T], 1) / 0.3
    (wanted,) = torch.autograd.grad(F.cross_entropy(s, torch.arange(6)), z)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"share": 0.0}, {"steps": -1}, {"rate": 0.0}, {"temperature": 0.0}])
def test_numbers_out_of_their_range_are_refused(options):
    with pytest.raises(InputError, match="noise vectors"):
        NoiseNegatives(**options)
