"""CACR: weights within the positives and within the negatives, over four views."""

from __future__ import annotations

import math

import pytest

from counterpoint.objectives import CACR
from systems.views_of_digits import seen_by


def loop(z, samples, t_pos, t_neg):
    total = 0.0
    for i in range(len(z)):
        cost = [float((z[i] - z[k]).square().sum()) for k in range(len(z))]
        positives = [cost[k] for k in range(len(z)) if k != i and samples[k] == samples[i]]
        negatives = [cost[k] for k in range(len(z)) if samples[k] != samples[i]]
        a = [math.exp(t_pos * c) for c in positives]
        r = [math.exp(-t_neg * c) for c in negatives]
        total += sum(x * c for x, c in zip(a, positives, strict=True)) / sum(a)
        total -= sum(x * c for x, c in zip(r, negatives, strict=True)) / sum(r)
    return total / len(z)


def test_loss_is_that_of_a_naive_loop_with_four_views():
    config, arguments, z = seen_by("cacr")
    samples = arguments["queries"].columns["sample"].tolist()
    assert len(z) == 4 * 6
    assert config.objective()(**arguments).item() == pytest.approx(loop(z, samples, 1.0, 2.0), rel=1e-4)


def test_without_sharpness_it_is_uniform_attraction_and_repulsion():
    _, arguments, z = seen_by("cacr")
    samples = arguments["queries"].columns["sample"].tolist()
    assert CACR(0.0, 0.0)(**arguments).item() == pytest.approx(loop(z, samples, 0.0, 0.0), rel=1e-4)
