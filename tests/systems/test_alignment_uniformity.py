"""Alignment and uniformity: both terms on the sphere, on the last layer, nothing else."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems.core.alignment_uniformity import (
    WEIGHTS,
    alignment_alone,
    alignment_uniformity,
    linear_simclr,
    uniformity_alone,
)
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def loop(views, alignment, uniformity):
    """Both metrics with alpha 2 and t 2; uniformity of each view by itself, then the mean."""
    x, y = (F.normalize(view, dim=1) for view in views)
    n = len(x)
    near = sum((x[i] - y[i]).square().sum() for i in range(n)) / n
    far = []
    for side in (x, y):
        pairs = [(-2 * (side[i] - side[j]).square().sum()).exp() for i in range(n) for j in range(n) if i != j]
        far.append(torch.stack(pairs).mean().log())
    return alignment * near + uniformity * sum(far) / 2


def test_loss_is_that_of_a_naive_loop_over_pairs():
    step = step_of("alignment & uniformity")
    same(step, loop(step.z(), 1.0, 1.0))


@pytest.mark.parametrize(
    ("recipe", "weights"),
    [(alignment_alone(), (1, 0)), (uniformity_alone(), (0, 1)), (alignment_uniformity(0.5), (1, 0.5))],
)
def test_each_alone_is_one_of_the_terms_and_the_weight_is_uniformity_s(recipe, weights):
    step = step_of(recipe, DIGITS.parts(0)[0])
    same(step, loop(step.z(), *weights))


def test_the_loss_is_on_the_last_layer_of_two_views_as_is_the_baseline_s():
    step = step_of("alignment & uniformity")
    assert step.layers() == ["Linear"]
    assert step.network[1][0].out_features == 128
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    ours, theirs = (make().stages[-1] for make in (alignment_uniformity, linear_simclr))
    assert (ours.head, ours.train) == (theirs.head, theirs.train)
    assert linear_simclr(0.2).stages[-1].objective().temperature == 0.2
    assert [alignment_uniformity(w).stages[-1].objective().objectives[1].weights for w in WEIGHTS] == [
        (w,) for w in WEIGHTS
    ]
