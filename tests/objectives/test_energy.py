"""Energy confusion: its logarithm is of the mean over all rows, in blocks as well, and pulls as hard near as far."""

from __future__ import annotations

import pytest
import torch

from counterpoint.geometry import Euclidean
from counterpoint.objectives import EnergyConfusion
from counterpoint.points import Points
from counterpoint.relation import Relation, same


def test_the_logarithm_is_of_the_mean_and_its_gradient_does_not_fade():
    z, y = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), torch.arange(9) % 3
    options = {"geometry": Euclidean(squared=True), "relation": Relation(same("label"))}
    mean, log = EnergyConfusion(**options), EnergyConfusion(log=True, **options)
    assert log(Points(z, label=y)).item() == pytest.approx(mean(Points(z, label=y)).log().item(), rel=1e-12)
    assert log(Points(z, label=y), block=2).item() == pytest.approx(log(Points(z, label=y)).item(), rel=1e-12)
    pulls = []
    for scale in (1.0, 0.1):
        w = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
        (found,) = torch.autograd.grad(log(Points(w * z, label=y)), w)
        pulls.append(scale * found.item())
    assert pulls == pytest.approx([2.0, 2.0])
