"""MACL: the temperature follows the alignment and rows are reweighted; neither has a gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import MACL
from systems.through import same, step_of


def loop(views, t0=0.1, alpha=0.5, a0=0.0, weighted=True):
    """Equations 7, 9 and 12 for each of the 2n views."""
    z = F.normalize(views, dim=1)
    n = len(z) // 2
    pairs = [float(z[i].detach() @ z[i + n].detach()) for i in range(n)]
    t = t0 * (1 + alpha * (sum(pairs) / n - a0))
    total = torch.zeros((), dtype=z.dtype)
    for i in range(2 * n):
        others = [k for k in range(2 * n) if k != i]
        p = torch.softmax(torch.stack([z[i] @ z[k] / t for k in others]), 0)[others.index((i + n) % (2 * n))]
        total = total - torch.log(p) / ((1 - p.detach()) if weighted else 1)
    return total / (2 * n)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("macl", {}), ("macl-temperature-alone", {"weighted": False}), ("macl-weights-alone", {"alpha": 0.0})],
)
def test_loss_is_that_of_a_naive_loop_over_views(name, changes):
    step = step_of(name)
    same(step, loop(torch.cat(step.z()), **changes))
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


@pytest.mark.parametrize("reweight", [True, False])
def test_a_threshold_is_taken_from_the_alignment(reweight):
    z = F.normalize(torch.randn(8, 5, dtype=torch.float64), dim=1).requires_grad_()
    found = MACL(0.3, alpha=0.9, threshold=0.2, reweight=reweight)(z[:4], z[4:])
    wanted = loop(z, 0.3, 0.9, 0.2, reweight)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(loss, z)[0] for loss in (found, wanted)), rtol=1e-6, atol=1e-9)


def test_the_better_aligned_the_higher_the_temperature():
    objective, z = MACL(0.1), torch.eye(4)
    scales = []
    for k in (z, z.roll(1, 0)):
        objective(z, k)
        scales.append(float(objective.scale()))
    assert scales[0] == pytest.approx(1 / 0.15)
    assert scales[1] == pytest.approx(1 / 0.1)
