"""LLaVE: every negative's logit is raised by alpha times its own cosine, without gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import InfoNCE, hardest, hardness
from systems.stages import stage


def test_loss_is_cross_entropy_of_logits_raised_by_hardness():
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(6, 4, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    cosine = F.normalize(q, dim=1) @ F.normalize(k, dim=1).T
    raised = cosine / 0.02 + 9 * cosine.detach() * (1 - torch.eye(6))
    target = torch.arange(6)
    wanted = (F.cross_entropy(raised, target) + F.cross_entropy(raised.T, target)) / 2
    found = stage("llave").objective()(q, k)
    torch.testing.assert_close(found, wanted)
    for a, b in zip(torch.autograd.grad(found, (q, k)), torch.autograd.grad(wanted, (q, k)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("top", "kept"), [(2, 2), (0.5, 3), (1.0, 5)])
def test_the_hardest_are_the_nearest(top, kept):
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    q, k = F.normalize(z, dim=1), F.normalize(z.flip(1), dim=1)
    s = (q @ k.T / 0.1).tolist()
    total = 0.0
    for i in range(6):
        near = sorted((s[i][j] for j in range(6) if j != i), reverse=True)[:kept]
        total += math.log(1 + sum(math.exp(x - s[i][i]) for x in near))
    assert InfoNCE(0.1, reweight=hardest(top))(q, k).item() == pytest.approx(total / 6, rel=1e-9)


def test_without_sharpness_it_is_infonce_and_bad_numbers_are_said():
    q = torch.eye(3)
    assert InfoNCE(0.5, reweight=hardness(0.0))(q, q).item() == pytest.approx(InfoNCE(0.5)(q, q).item())
    for make in (lambda: hardness(-1), lambda: hardest(0), lambda: hardest(1.5)):
        with pytest.raises(Exception, match=r"give|must"):
            make()
