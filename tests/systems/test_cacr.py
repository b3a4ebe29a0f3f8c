"""CACR: weights within the positives and, for each pair of views, within the negatives, over five views."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import CACR
from counterpoint.points import Points
from counterpoint.systems.core.cacr import SHARPNESS, cacr, five_views, unweighted
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def weighed(costs, sharpness):
    costs = torch.stack(costs)
    weights = (sharpness * costs).exp()
    return (weights * costs).sum() / weights.sum()


def loop(views, t_pos, t_neg):
    """Equations 4 to 7 for each view of each picture; negatives are the other pictures in one other view at a time."""
    z = [F.normalize(view, dim=1) for view in views]
    n, total = len(z[0]), 0.0
    for v in range(len(z)):
        for i in range(n):
            others = [w for w in range(len(z)) if w != v]
            total = total + weighed([(z[v][i] - z[w][i]).square().sum() for w in others], t_pos)
            for w in others:
                costs = [(z[v][i] - z[w][k]).square().sum() for k in range(n) if k != i]
                total = total - weighed(costs, -t_neg) / len(others)
    return total / (len(z) * n)


def test_loss_is_that_of_a_naive_loop_over_pairs_of_views():
    step = step_of("cacr")
    assert len(step.z()) == 5
    same(step, loop(step.z(), 1.0, 0.9))


def test_without_sharpness_it_is_uniform_attraction_and_repulsion():
    step = step_of(unweighted(), DIGITS.parts(0)[0])
    same(step, loop(step.z(), 0.0, 0.0))


def test_head_is_simclr_s_and_the_baseline_differs_in_the_loss_alone():
    step = step_of("cacr")
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    first, second, *_ = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    ours, theirs = (make().stages[-1] for make in (cacr, five_views))
    assert (ours.train, ours.head) == (theirs.train, theirs.head)
    assert (ours.train.batch_size, theirs.views) == (128, 5)
    assert five_views(0.2).stages[-1].objective().temperature == 0.2
    assert [cacr(t).stages[-1].objective().negative for t in SHARPNESS] == list(SHARPNESS)


def test_without_a_column_queries_are_one_view_and_keys_another():
    q, k = torch.randn(2, 4, 3, dtype=torch.float64)
    wanted = loop((q, k), 1.0, 2.0)
    sample = torch.arange(4)
    named = [Points(z, sample=sample, view=torch.full_like(sample, v)) for v, z in enumerate((q, k))]
    for found in (CACR()(q, k), CACR()(*named), CACR()(Points.cat(named)), CACR(layout="symmetric")(q, k)):
        torch.testing.assert_close(found, wanted)
    # a side alone has one group of negatives
    alone = CACR()(Points(torch.cat([q, k]), sample=sample.repeat(2)))
    assert float(alone) != pytest.approx(float(wanted), rel=1e-3)
    # as have owned keys, beside the other view
    owned = torch.randn(4, 2, 3, dtype=torch.float64)
    z, pushed = [F.normalize(x, dim=-1) for x in (q, k, owned)], 0.0
    for i in range(4):
        costs = [(z[0][i] - z[1][j]).square().sum() for j in range(4) if j != i]
        own = [(z[0][i] - z[2][i, j]).square().sum() for j in range(2)]
        pushed = pushed + (z[0][i] - z[1][i]).square().sum() - (weighed(costs, -2.0) + weighed(own, -2.0)) / 2
    torch.testing.assert_close(CACR(layout="one-way")(q, k, owned=owned), pushed / 4)
