"""CausIRL: a naive MMD and CORAL between two random mixtures, each of all domains."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from counterpoint.points import Points
from systems.stages import stage


def mmd(x, y):
    """By three loops over pairs."""

    def kernel(a, b):
        square = float((a - b).square().sum())
        return sum(math.exp(-(10.0**g) * square) for g in range(-3, 4))

    def mean(a, b):
        return sum(kernel(u, v) for u in a for v in b) / (len(a) * len(b))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def coral(x, y):
    """With numpy's covariances."""
    x, y = x.numpy(), y.numpy()
    means = ((x.mean(0) - y.mean(0)) ** 2).mean()
    return means + ((np.cov(x, rowvar=False) - np.cov(y, rowvar=False)) ** 2).mean()


def points(n=24, d=64):
    return Points(
        torch.randn(n, d) / 8, label=torch.arange(n) % 10, domain=torch.arange(n) // 6, sample=torch.arange(n)
    )


@pytest.mark.parametrize(("name", "distance"), [("CausIRL", mmd), ("CausIRL, CORAL", coral)])
def test_penalty_is_the_discrepancy_of_two_mixtures_of_all_domains(name, distance):
    torch.manual_seed(0)
    config, q = stage(name), points()
    (call,) = config.procedure(64)([{"queries": q}], lambda _model: {})
    mixture = call["queries"].columns["mixture"]
    halves = [q.z[mixture == each] for each in (0, 1)]
    entropy, penalty = config.objective().objectives
    assert penalty(call["queries"]).item() == pytest.approx(distance(*halves), rel=1e-4)
    logits = q.z @ entropy.vectors.T
    expected = torch.nn.functional.cross_entropy(logits, q.columns["label"])
    assert entropy(call["queries"]).item() == pytest.approx(expected.item(), rel=1e-5)


def test_cuts_are_random_and_of_each_domain():
    torch.manual_seed(0)
    procedure, shares = stage("CausIRL").procedure(64), []
    for _ in range(200):
        (call,) = procedure([{"queries": points(d=2)}], lambda _model: {})
        shares.append(call["queries"].columns["mixture"].view(4, 6).sum(1))
    shares = torch.stack(shares)
    # at least one point of each domain is in the second mixture, any number may be
    assert [sorted(set(column.tolist())) for column in shares.T] == [[1, 2, 3, 4, 5, 6]] * 4
    assert abs(float(torch.corrcoef(shares.T.float())[0, 1])) < 0.2
