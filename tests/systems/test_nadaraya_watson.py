"""The Nadaraya-Watson head: a naive softmax over the support, which is of one domain a step."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.data.images import digits
from counterpoint.points import Points
from counterpoint.systems.core._turned import DOMAINS, domains, turned
from systems.stages import stage


def test_loss_is_that_of_the_head_on_the_support_of_one_domain():
    torch.manual_seed(0)
    n = 20
    columns = {"label": torch.arange(n) % 3, "sample": torch.arange(n), "domain": torch.arange(n) % DOMAINS}
    q, k = (Points(torch.randn(n, 4), columns) for _ in range(2))
    config = stage("Invariant NW head")
    procedure, objective = config.procedure(4), config.objective()
    values = []
    for turn in range(3):
        (call,) = procedure([{"queries": q, "keys": k}], lambda _model: {})
        losses = []
        for i in range(n):
            support = [j for j in range(n) if j % DOMAINS == turn and j != i]
            kernel = {j: math.exp(-float((q.z[i] - k.z[j]).norm())) for j in support}
            votes = sum(v for j, v in kernel.items() if j % 3 == i % 3)
            # a class that the support lacks cannot be voted for, and one that is alone has nothing to lose to
            if 0 < votes < sum(kernel.values()):
                losses.append(-math.log(votes / sum(kernel.values())))
        values.append(objective(**call).item())
        assert values[-1] == pytest.approx(sum(losses) / len(losses), rel=1e-4)
        procedure.finish_step()
    assert len({round(v, 4) for v in values}) == 3


def test_domains_are_turned_and_the_test_domain_is_new():
    train, test = domains(1)
    plain, held = (part.pixels for part in digits().split(seed=1))
    for d in range(DOMAINS):
        rows = train.columns["domain"] == d
        assert 175 < int(rows.sum()) < 185
        assert torch.equal(train.pixels[rows], turned(plain[rows], torch.full((int(rows.sum()),), 15.0 * d)))
    assert torch.equal(test.pixels, turned(held, torch.full((len(held),), 75.0)))
    assert torch.equal(train.columns["mixed"].bincount(), train.columns["domain"].bincount())
    agree = (train.columns["mixed"] == train.columns["domain"]).float().mean()
    assert 0.1 < float(agree) < 0.3
