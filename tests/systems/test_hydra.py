"""Hydra: any pair is positive under its gate, by a naive loop; gates learn which dimensions two classes share."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.procedures import PairGates
from systems.stages import stage


def test_loss_is_that_of_a_naive_loop_over_gated_pairs():
    torch.manual_seed(0)
    n, config = 12, stage("Hydra")
    columns = {"label": torch.arange(n) % 5, "sample": torch.arange(n)}
    q, k = (Points(torch.randn(n, 6), columns) for _ in range(2))
    procedure = config.procedure(6)
    torch.nn.init.normal_(procedure.weight)
    (call,) = procedure([{"queries": q, "keys": k}], lambda _model: {})
    drawn = call["queries"].columns["sample"].tolist()
    assert drawn != sorted(drawn) == list(range(n))
    total = 0.0
    for i in range(n):
        a, b = sorted((i % 5, drawn[i] % 5))
        gate = torch.sigmoid(procedure.weight[a, b]).detach()
        score = [math.exp(float(F.cosine_similarity(q.z[i] * gate, k.z[j] * gate, dim=0)) / 0.2) for j in range(n)]
        seen = [j for j in range(n) if j == drawn[i] or j % 5 not in (a, b)]
        total -= math.log(score[drawn[i]] / sum(score[j] for j in seen)) / n
    assert config.objective()(**call).item() == pytest.approx(total, rel=1e-4)


def test_a_gate_turns_on_what_two_classes_share():
    torch.manual_seed(0)
    # the first two classes agree in dimension 0 only, the third one differs from both there
    centre = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]])
    gates = PairGates(3, 2)
    objective = stage("Hydra").objective()
    steps = torch.optim.SGD(gates.parameters(), lr=1.0)
    for _ in range(100):
        y = torch.arange(30) % 3
        points = Points(centre[y] + 0.1 * torch.randn(30, 2), label=y, sample=torch.arange(30))
        (call,) = gates([{"queries": points, "keys": points}], lambda _model: {})
        steps.zero_grad()
        objective(**call).backward()
        steps.step()
    first, second = gates.gate(torch.tensor(0), torch.tensor(1)).tolist()
    assert first > 0.6 > 0.4 > second
