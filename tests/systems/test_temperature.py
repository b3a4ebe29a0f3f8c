"""What temperature does to InfoNCE's gradient: the hardest negatives take it all as temperature falls."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core.temperature import simple
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def shares(temperature):
    """Each negative's share in the gradient, by scores that are free: a query of one and keys of one dimension."""
    keys = torch.tensor([[1.0], [0.9], [0.2], [-0.5]], dtype=torch.float64, requires_grad=True)
    queries = Points(torch.ones(1, 1, dtype=torch.float64), sample=torch.tensor([0]))
    loss = InfoNCE(temperature, geometry=Dot())(queries, Points(keys, sample=torch.tensor([0, -1, -1, -1])))
    gradient = torch.autograd.grad(loss, keys)[0][:, 0]
    return gradient[1:] / -gradient[0], keys.detach()[1:, 0]


@pytest.mark.parametrize("temperature", [0.07, 0.3, 1.0])
def test_gradient_is_shared_among_negatives_by_their_hardness(temperature):
    """Equation 7: the relative penalty of a negative is a softmax of the scores."""
    found, scores = shares(temperature)
    weights = [float(torch.exp(s / temperature)) for s in scores]
    assert found.tolist() == pytest.approx([w / sum(weights) for w in weights], rel=1e-9)


def test_low_temperature_leaves_only_the_hardest_and_a_high_one_all():
    assert shares(0.07)[0][0] > 0.999
    assert shares(1.0)[0][0] < 0.6
    assert shares(100.0)[0].tolist() == pytest.approx([1 / 3] * 3, rel=0.02)


@pytest.mark.parametrize(
    ("name", "temperature", "kept"),
    [
        ("temperature-analysis", 0.3, None),
        ("temperature-analysis-hard", 1.0, 0.0819),
        ("temperature-analysis-hard-simple", 100.0, 0.0819),
    ],
)
def test_loss_is_that_of_a_naive_loop_over_the_hardest_negatives(name, temperature, kept):
    step = step_of(name, n=10)
    assert step.layers() == ["Linear"]
    assert step.objective.summed == (kept is None)  # a fused kernel knows no hardest negatives
    views = torch.cat(step.z())
    n, total = len(views) // 2, torch.zeros(())
    for i in range(2 * n):
        s = [F.cosine_similarity(views[i], views[k], dim=0) for k in range(2 * n)]
        others = sorted((s[k] for k in range(2 * n) if k not in (i, (i + n) % (2 * n))), reverse=True)
        if kept:
            assert len(others) == 18
            others = others[:2]  # 8.19% of 18, rounded up
        positive = s[(i + n) % (2 * n)] / temperature
        total = total - positive + torch.logsumexp(torch.stack([positive, *(o / temperature for o in others)]), 0)
    same(step, total / (2 * n))


def test_at_a_high_temperature_the_gradient_is_that_of_the_simple_loss():
    """`-s_ii + mean s_ij` (equation 4), as directions: the length does not matter to AdamW."""
    step = step_of(simple(), DIGITS.parts(0)[0])
    views = F.normalize(torch.cat(step.z()), dim=1)
    n, scores = len(views) // 2, views @ views.T
    own = torch.roll(torch.eye(2 * n), n, 1)
    loss = -(scores * own).sum(1).mean() + (scores * (1 - own - torch.eye(2 * n))).sum(1).mean() / (2 * n - 2)
    named = dict(step.network.named_parameters())
    found = torch.autograd.grad(loss, [named[name] for name in step.gradient])
    ours, theirs = (torch.cat([g.flatten() for g in gradients]) for gradients in (step.gradient.values(), found))
    assert float(F.cosine_similarity(ours, theirs, dim=0)) > 0.999


def test_both_views_are_random():
    first, second = step_of("temperature-analysis").views()
    pixels = DIGITS.parts(0)[0].anchors.tensor[:8]
    assert not torch.isclose(first, pixels).all(dim=(1, 2, 3)).any()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    for name in ("temperature-analysis-hard", "temperature-analysis-hard-simple"):
        assert not torch.equal(*step_of(name).views())


def test_arms_differ_in_the_loss_alone():
    for claim in get("temperature analysis").claims:
        ours = (claim.system.make if claim.system else get("temperature analysis").method)().stages[0]
        theirs = claim.baseline.make().stages[0]
        assert ours.train == theirs.train
        assert ours.head is theirs.head
        assert ours.objective().temperature != theirs.objective().temperature or ours.objective().reweight
