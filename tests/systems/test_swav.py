"""SwAV: Sinkhorn codes of equal size, each view predicts the other's; small crops predict, and have no codes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import SwAV, sinkhorn
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core.swav import two_views, unbalanced
from counterpoint.testbeds import DIGITS
from systems.remembered import assert_random_views
from systems.through import same, step_of


def knopp(scores, iterations):
    """The algorithm on plain matrices (Caron et al. 2020, appendix A), samples as columns."""
    q = scores.exp().T
    q = q / q.sum()
    k, n = q.shape
    for _ in range(iterations):
        q = q / q.sum(1, keepdim=True) / k
        q = q / q.sum(0, keepdim=True) / n
    return (q * n).T


def swapped(z, c, codes, temperature=0.1):
    """Every view predicts the codes of each of the first two that it is not."""
    total, number = torch.zeros(()), 0
    for source in (0, 1):
        for target in range(len(z)):
            if target != source:
                log_p = F.log_softmax(F.normalize(z[target], dim=1) @ c.T / temperature, 1)
                total, number = total - (codes[source] * log_p).sum(1).mean(), number + 1
    return total / number


def seen(step):
    """Views, prototypes of length one, and the scores of the first two views, without gradient."""
    z, c = step.z(), F.normalize(step.objective.prototypes.detach(), dim=1)
    return z, c, [(F.normalize(view, dim=1) @ c.T).detach() for view in z[:2]]


@pytest.mark.parametrize(("name", "views"), [("swav", 6), ("swav-two-views", 2)])
def test_loss_is_the_swapped_prediction_of_sinkhorn_codes(name, views):
    step = step_of(name)
    z, c, scores = seen(step)
    assert len(z) == views
    assert c.shape == (100, 128)
    same(step, swapped(z, c, [knopp(s / 0.05, 3) for s in scores]))


def test_with_nothing_balanced_codes_are_a_softmax():
    step = step_of(unbalanced(), DIGITS.parts(0)[0])
    z, c, scores = seen(step)
    same(step, swapped(z, c, [F.softmax(s / 0.05, 1) for s in scores]))


def test_the_temperature_is_what_it_is_tried_with():
    step = step_of(two_views(0.2), DIGITS.parts(0)[0])
    z, c, scores = seen(step)
    same(step, swapped(z, c, [knopp(s / 0.05, 3) for s in scores], 0.2))


@pytest.mark.parametrize("name", ["swav", "swav-two-views"])
def test_prototypes_do_not_learn_in_the_first_nineteen_steps_of_training(name):
    first, last, after = (step_of(name, n=2, steps=steps).objective.prototypes for steps in (1, 20, 21))
    assert torch.equal(first, last)
    assert not torch.equal(first, after)


def test_gradient_of_the_prototypes_is_that_of_the_naive_loss():
    torch.manual_seed(0)
    objective = SwAV(5, 7)
    z = torch.randn(2, 6, 5)
    c = F.normalize(objective.prototypes, dim=1)
    codes = [knopp(F.normalize(v, dim=1) @ c.T / 0.05, 3).detach() for v in z]
    wanted, found = swapped(z, c, codes), objective(z[0], z[1])
    torch.testing.assert_close(found, wanted)
    a, b = (torch.autograd.grad(v, objective.prototypes, retain_graph=True)[0] for v in (found, wanted))
    torch.testing.assert_close(a, b)


def test_sinkhorn_is_that_of_plain_matrices_and_fills_clusters_evenly():
    scores = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(scores), knopp(scores, 3))
    codes = sinkhorn(scores, iterations=200)
    torch.testing.assert_close(codes.sum(0), torch.full((4,), 3.0, dtype=torch.float64))
    torch.testing.assert_close(codes.sum(1), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(sinkhorn(scores, iterations=0), F.softmax(scores, 1))


def test_views_are_random_and_all_but_two_of_small_crops():
    assert_random_views(step_of("swav"), "swav")
    assert_random_views(step_of("swav-two-views"), "swav")
    # on pictures whose pixels say where they are, the spread is the size of the crop
    ramp = torch.linspace(0, 1, 32).expand(64, 3, 32, 32)
    spread = []
    for view in get("swav").method().stages[0].view:
        torch.manual_seed(0)
        spread.append(float((view(ramp)[..., 1:] - view(ramp)[..., :-1]).abs().mean()))
    large, same_again, small = spread
    assert large == same_again
    assert small < large


def test_the_head_has_batch_norm_in_its_hidden_layer():
    for name in ("swav", "swav-two-views"):
        step = step_of(name)
        assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
        assert [step.network[1][i].out_features for i in (0, -1)] == [512, 128]


def test_a_view_that_gives_no_code_is_no_one_elses_target():
    objective = SwAV(5, 7)
    z = torch.randn(3, 6, 5)
    points = Points(z.flatten(0, 1), sample=torch.arange(6).repeat(3), view=torch.arange(3).repeat_interleave(6))
    c = F.normalize(objective.prototypes.detach(), dim=1)
    codes = [knopp(F.normalize(v, dim=1) @ c.T / 0.05, 3) for v in z]
    assert objective(points).item() == pytest.approx(swapped(z, c, codes).item(), rel=1e-5)
