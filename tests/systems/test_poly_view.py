"""Poly-View: the mean over the other views outside, or inside, the logarithm."""

from __future__ import annotations

import math

import pytest

from systems.views_of_digits import seen_by


def loop(z, samples, inside, t=0.5):
    total = 0.0
    for i in range(len(z)):
        e = [math.exp(float(z[i] @ z[k]) / t) for k in range(len(z))]
        negatives = sum(e[k] for k in range(len(z)) if samples[k] != samples[i])
        p = [e[k] / (e[k] + negatives) for k in range(len(z)) if k != i and samples[k] == samples[i]]
        total -= math.log(sum(p) / len(p)) if inside else sum(map(math.log, p)) / len(p)
    return total / len(z)


@pytest.mark.parametrize(("name", "inside"), [("poly-view", False), ("poly-view-arithmetic", True)])
def test_geometric_and_arithmetic_losses_are_those_of_a_naive_loop(name, inside):
    config, arguments, z = seen_by(name)
    samples = arguments["queries"].columns["sample"].tolist()
    assert len(z) == 24
    found = config.objective()(**arguments).item()
    assert found == pytest.approx(loop(z, samples, inside), rel=1e-5)
    assert found != pytest.approx(loop(z, samples, not inside), rel=1e-5)


def test_with_two_views_both_are_simclr():
    _, arguments, z = seen_by("simclr")
    samples = arguments["queries"].columns["sample"].tolist() * 2
    assert loop(z, samples, True) == pytest.approx(loop(z, samples, False), rel=1e-12)
