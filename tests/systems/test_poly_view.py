"""Poly-View: the mean over the other views outside the logarithm, inside it, or before it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from systems.through import same, step_of


def loop(z, samples, inside=False, t=0.5):
    z, total = F.normalize(z, dim=1), torch.zeros(())
    for i in range(len(z)):
        e = [(z[i] @ z[k] / t).exp() for k in range(len(z))]
        negatives = sum(e[k] for k in range(len(z)) if samples[k] != samples[i])
        p = torch.stack([e[k] / (e[k] + negatives) for k in range(len(z)) if k != i and samples[k] == samples[i]])
        total = total - (p.mean().log() if inside else p.log().mean())
    return total / len(z)


def statistics_loop(z, samples, t=0.5):
    """Each view against what is left of its sample, and what is left of all others."""
    z, rows, total = F.normalize(z, dim=1), range(len(z)), torch.zeros(())
    rest = [torch.stack([z[k] for k in rows if k != i and samples[k] == samples[i]]).mean(0) for i in rows]
    for i in rows:
        own = (z[i] @ rest[i] / t).exp()
        others = sum((z[i] @ rest[k] / t).exp() for k in rows if samples[k] != samples[i])
        total = total - (own / (own + others)).log()
    return total / len(z)


@pytest.mark.parametrize(("name", "inside"), [("poly-view", False), ("poly-view-arithmetic", True)])
def test_geometric_and_arithmetic_losses_are_those_of_a_naive_loop(name, inside):
    step = step_of(name, n=4)
    z, samples = torch.cat(step.z()), step.calls[0]["queries"].columns["sample"].tolist()
    assert len(z) == 4 * 8
    same(step, loop(z, samples, inside))
    assert abs(step.loss - float(loop(z.detach(), samples, not inside))) > 1e-5


def test_sufficient_statistics_are_those_of_a_naive_loop():
    step = step_of("poly-view-sufficient-statistics", n=4)
    (call,) = step.calls
    assert len(call["queries"]) == len(call["keys"]) == 32
    same(step, statistics_loop(torch.cat(step.z()), call["queries"].columns["sample"].tolist()))


def test_with_two_views_all_three_are_simclr():
    step = step_of("simclr")
    samples = list(range(8)) * 2
    same(step, loop(torch.cat(step.z()), samples))
    same(step, loop(torch.cat(step.z()), samples, True))
    same(step, statistics_loop(torch.cat(step.z()), samples))


@pytest.mark.parametrize("name", ["poly-view", "poly-view-arithmetic", "poly-view-sufficient-statistics"])
def test_all_views_are_random_and_go_through_the_head_of_simclr(name):
    step = step_of(name, n=4)
    views = step.views()
    assert len(views) == 8
    pairs = [(a, b) for a in range(8) for b in range(a)]
    assert all(not torch.isclose(views[a], views[b]).all(dim=(1, 2, 3)).any() for a, b in pairs)
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]


def test_a_step_encodes_as_many_views_as_that_of_simclr():
    from counterpoint.systems.core.poly_view import arithmetic, four, geometric, simclr, statistics

    stages = [make().stages[0] for make in (simclr, geometric, arithmetic, statistics, four)]
    assert {stage.views * stage.train.batch_size for stage in stages} == {512}
    assert [stage.views for stage in stages] == [2, 8, 8, 8, 4]
