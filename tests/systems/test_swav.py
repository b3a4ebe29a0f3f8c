"""SwAV: Sinkhorn codes of equal size, each view predicts the other's."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import SwAV, sinkhorn
from counterpoint.points import Points
from counterpoint.systems import get
from systems.views_of_digits import seen_by


def knopp(scores, iterations):
    """The algorithm on plain matrices (Caron et al. 2020, appendix A), samples as columns."""
    q = scores.exp().T
    q = q / q.sum()
    k, n = q.shape
    for _ in range(iterations):
        q = q / q.sum(1, keepdim=True) / k
        q = q / q.sum(0, keepdim=True) / n
    return (q * n).T


def test_sinkhorn_is_that_of_plain_matrices_and_fills_clusters_evenly():
    scores = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(scores), knopp(scores, 3))
    codes = sinkhorn(scores, iterations=200)
    torch.testing.assert_close(codes.sum(0), torch.full((4,), 3.0, dtype=torch.float64))
    torch.testing.assert_close(codes.sum(1), torch.ones(12, dtype=torch.float64))


def test_loss_is_the_swapped_prediction_of_sinkhorn_codes():
    torch.manual_seed(0)
    objective = SwAV(5, 7).double()
    z = F.normalize(torch.randn(2, 6, 5, dtype=torch.float64), dim=2)
    c = F.normalize(objective.prototypes, dim=1)
    codes = [knopp(v @ c.T / 0.05, 3).detach() for v in z]
    logs = [F.log_softmax(v @ c.T / 0.1, 1) for v in z]
    wanted = -((codes[0] * logs[1]).sum(1).mean() + (codes[1] * logs[0]).sum(1).mean()) / 2
    found = objective(z[0], z[1])
    torch.testing.assert_close(found, wanted)
    a, b = (torch.autograd.grad(v, objective.prototypes, retain_graph=True)[0] for v in (found, wanted))
    torch.testing.assert_close(a, b)


def test_with_more_views_only_the_first_two_give_codes():
    torch.manual_seed(0)
    objective = SwAV(5, 7).double()
    z = F.normalize(torch.randn(4, 6, 5, dtype=torch.float64), dim=2)
    points = Points(z.flatten(0, 1), sample=torch.arange(6).repeat(4), view=torch.arange(4).repeat_interleave(6))
    c = F.normalize(objective.prototypes, dim=1)
    total, number = 0.0, 0
    for source in (0, 1):
        codes = knopp(z[source] @ c.T / 0.05, 3)
        for target in range(4):
            if target != source:
                total -= (codes * F.log_softmax(z[target] @ c.T / 0.1, 1)).sum(1).mean().item()
                number += 1
    assert objective(points).item() == pytest.approx(total / number, rel=1e-9)


def test_the_system_has_six_views_and_prototypes_of_its_width():
    config, arguments, z = seen_by("swav")
    assert len(z) == 36
    assert math.isfinite(config.objective()(**arguments).item())
    assert [type(m).__name__ for m in config.head(64)] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]


def test_prototypes_do_not_learn_in_the_first_calls_of_training():
    objective = SwAV(5, 7, frozen=2)
    z = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for learns in (False, False, True):
        objective.prototypes.grad = z.grad = None
        objective(z[0], z[1]).backward()
        assert z.grad.abs().sum() > 0
        assert (objective.prototypes.grad is not None) == learns
    assert get("swav").method().stages[0].objective().frozen == 3
