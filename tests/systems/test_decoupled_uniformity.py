"""Decoupled Uniformity: centroids of the views, and a kernel that smooths them."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import DecoupledUniformity
from counterpoint.points import Points
from systems.views_of_digits import seen_by


def loop(centroids, t=2.0):
    n = len(centroids)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    return math.log(
        sum(math.exp(-t * float((centroids[i] - centroids[j]).square().sum())) for i, j in pairs) / len(pairs)
    )


def test_loss_is_that_of_a_naive_loop_over_centroids():
    config, arguments, z = seen_by("decoupled-uniformity")
    centroids = (z[:6] + z[6:]) / 2
    assert config.objective()(**arguments).item() == pytest.approx(loop(centroids), rel=1e-4)


def test_views_that_agree_are_better_though_nothing_says_so():
    x = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    assert DecoupledUniformity()(x, x) < DecoupledUniformity()(x, x.flip(0))


@pytest.mark.parametrize("ridge", [0.1, 1.0])
def test_a_prior_smooths_the_centroids_as_a_conditional_mean_embedding(ridge):
    g = torch.Generator().manual_seed(0)
    x, y = (F.normalize(torch.randn(5, 4, generator=g, dtype=torch.float64), dim=1) for _ in range(2))
    about = torch.tensor([0.0, 0.0, 1.0, 2.0, 2.0], dtype=torch.float64)
    sides = [Points(v, sample=torch.arange(5), age=about) for v in (x, y)]
    k = torch.exp(-((about[:, None] - about[None]) ** 2) / (2 * 0.5**2))
    centroids = torch.linalg.inv(k + ridge * torch.eye(5)) @ k @ ((x + y) / 2)
    found = DecoupledUniformity(prior="age", width=0.5, ridge=ridge)(*sides).item()
    assert found == pytest.approx(loop(centroids), rel=1e-9)
