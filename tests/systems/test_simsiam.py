"""SimSiam: predictions of one view against the other, stopped; no gradient reaches the target."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.core._pictures import plain_head
from counterpoint.systems.core.simsiam import no_predictor, no_stop, simsiam
from counterpoint.testbeds import DIGITS, Trained
from counterpoint.testbeds.figures import deviation
from systems.remembered import assert_random_views
from systems.through import same, step_of


def negative_cosine(p, z):
    """Algorithm 1's D, row by row, shifted to a squared distance of unit vectors."""
    return torch.stack([2 - 2 * (a / a.norm()) @ (b / b.norm()) for a, b in zip(p, z, strict=True)]).mean()


def test_loss_is_the_negative_cosine_with_stopped_targets():
    step = step_of("simsiam", steps=2)
    z = [step.network(view) for view in step.views()]
    p = [step.procedure.procedures[1].network(side) for side in z]
    same(step, (negative_cosine(p[0], z[1].detach()) + negative_cosine(p[1], z[0].detach())) / 2)
    assert [call["keys"].z.requires_grad for call in step.calls] == [False, False]


def test_without_the_stopped_gradient_both_sides_follow():
    step = step_of(no_stop(), DIGITS.parts(0)[0])
    z = [step.network(view) for view in step.views()]
    p = [step.procedure.procedures[1].network(side) for side in z]
    same(step, (negative_cosine(p[0], z[1]) + negative_cosine(p[1], z[0])) / 2)
    assert [call["keys"].z.requires_grad for call in step.calls] == [True, True]


def test_without_a_predictor_the_projections_themselves_are_compared():
    step = step_of(no_predictor(), DIGITS.parts(0)[0])
    z = [step.network(view) for view in step.views()]
    same(step, (negative_cosine(z[0], z[1].detach()) + negative_cosine(z[1], z[0].detach())) / 2)


def test_predictor_has_a_bottleneck_and_the_head_three_layers_all_but_the_last_with_batch_norm():
    step = step_of("simsiam")
    predictor = step.procedure.procedures[1].network
    assert [m.out_features for m in predictor if isinstance(m, torch.nn.Linear)] == [4, 16]
    assert [type(m).__name__ for m in predictor] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear", "BatchNorm1d"]
    assert step.network[1][0][-1].weight is None


def test_each_view_has_batch_statistics_of_its_own():
    (there, back) = step_of("simsiam", n=32).calls
    for z in (there["keys"].z, back["keys"].z):
        torch.testing.assert_close(z.mean(0), torch.zeros(16), atol=1e-4, rtol=0)
        torch.testing.assert_close(z.var(0, correction=0), torch.ones(16), atol=2e-2, rtol=0)


def test_both_views_are_random():
    assert_random_views(step_of("simsiam"), "simsiam")


def test_vectors_spread_which_collapse_without_batch_statistics():
    def found(recipe):
        (there, back) = step_of(recipe, DIGITS.parts(0)[0], n=32, steps=14).calls
        z = F.normalize(torch.cat([there["keys"].z, back["keys"].z]), dim=1)
        return float(z.std(0).mean()) * z.shape[1] ** 0.5

    with_statistics, without = found(simsiam()), found(simsiam().varied("plain", head=plain_head))
    assert with_statistics > 0.9
    assert without < 0.3


def test_a_collapse_is_measured_by_the_projection():
    assert {claim.figure for claim in get("simsiam").claims[:2]} == {deviation}
    assert all(isinstance(claim.baseline, Trained) for claim in get("simsiam").claims)
