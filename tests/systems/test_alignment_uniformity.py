"""Alignment and uniformity: both terms on the sphere, nothing else."""

from __future__ import annotations

import math

import pytest

from systems.views_of_digits import seen_by


def test_loss_is_that_of_a_naive_loop_over_pairs():
    config, arguments, z = seen_by("alignment & uniformity")
    n = len(z) // 2
    align = sum(float((z[i] - z[i + n]).square().sum()) for i in range(n)) / n
    spread = []
    for side in (range(n), range(n, 2 * n)):
        pairs = [math.exp(-2 * float((z[i] - z[j]).square().sum())) for i in side for j in side if i != j]
        spread.append(math.log(sum(pairs) / len(pairs)))
    assert config.objective()(**arguments).item() == pytest.approx(align + sum(spread) / 2, rel=1e-4)
