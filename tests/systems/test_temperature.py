"""What temperature does to InfoNCE's gradient: the hardest negatives take it all as temperature falls."""

from __future__ import annotations

import pytest
import torch

from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from systems.stages import stage


def shares(temperature):
    """Each negative's share in the gradient, by scores that are free: a query of one and keys of one dimension."""
    keys = torch.tensor([[1.0], [0.9], [0.2], [-0.5]], dtype=torch.float64, requires_grad=True)
    from counterpoint.points import Points

    queries = Points(torch.ones(1, 1, dtype=torch.float64), sample=torch.tensor([0]))
    loss = InfoNCE(temperature, geometry=Dot())(queries, Points(keys, sample=torch.tensor([0, -1, -1, -1])))
    gradient = torch.autograd.grad(loss, keys)[0][:, 0]
    return gradient[1:] / -gradient[0], keys.detach()[1:, 0]


@pytest.mark.parametrize("temperature", [0.07, 0.3, 1.0])
def test_gradient_is_shared_among_negatives_by_their_hardness(temperature):
    found, scores = shares(temperature)
    weights = [float(torch.exp(s / temperature)) for s in scores]
    assert found.tolist() == pytest.approx([w / sum(weights) for w in weights], rel=1e-9)


def test_low_temperature_leaves_only_the_hardest():
    assert shares(0.07)[0][0] > 0.999
    assert shares(1.0)[0][0] < 0.6


def test_the_system_is_simclr_between_the_extremes():
    config = stage("temperature analysis")
    assert config.objective().temperature == 0.3
    assert config.objective().layout == "views"
