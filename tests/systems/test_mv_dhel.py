"""MV-InfoNCE and MV-DHEL: one term a sample over all pairs of its views."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import MultiView
from counterpoint.points import Points
from counterpoint.systems.core.mv_dhel import pairwise
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def loops(z, samples, views, t):
    """Both losses, as their equations stand."""
    infonce, dhel, ids = 0.0, 0.0, sorted(set(samples))
    e = torch.exp(z @ z.T / t).tolist()
    rows = range(len(z))
    for i in ids:
        mine = [r for r in rows if samples[r] == i]
        positives = sum(e[a][b] for a in mine for b in mine if a != b)
        everything = sum(e[a][b] for a in mine for b in rows if a != b)
        infonce -= math.log(positives / everything)
        pairs = sum(e[a][b] for a in mine for b in mine if views[a] < views[b])
        product = math.prod(sum(e[a][b] for b in rows if samples[b] != i and views[b] == views[a]) for a in mine)
        dhel -= math.log(pairs / product)
    return infonce / len(ids), dhel / len(ids)


def check_against_loops(number, seed):
    z = torch.randn(4 * number, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z = F.normalize(z, dim=1)
    samples, views = [0, 1, 2, 3] * number, torch.arange(number).repeat_interleave(4).tolist()
    points = Points(z, sample=torch.tensor(samples), view=torch.tensor(views))
    wanted = loops(z, samples, views, 0.3)
    assert MultiView(0.3)(points).item() == pytest.approx(wanted[0], rel=1e-9)
    assert MultiView(0.3, denominator="each-view")(points).item() == pytest.approx(wanted[1], rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_losses_are_those_of_naive_loops_over_three_views(seed):
    check_against_loops(3, seed)


@pytest.mark.parametrize("number", [2, 10])
def test_losses_are_the_same_for_few_and_many_views(number):
    check_against_loops(number, 0)


def terms(z, samples, views, t=0.5):
    """The same with a gradient, over what a step saw."""
    z = F.normalize(z, dim=1)
    e, rows, infonce, dhel = torch.exp(z @ z.T / t), range(len(z)), torch.zeros(()), torch.zeros(())
    for i in sorted(set(samples)):
        mine = [r for r in rows if samples[r] == i]
        positives = sum(e[a, b] for a in mine for b in mine if a != b)
        infonce = infonce - (positives / sum(e[a, b] for a in mine for b in rows if a != b)).log()
        for a in mine:
            dhel = dhel + sum(e[a, b] for b in rows if samples[b] != i and views[b] == views[a]).log()
        dhel = dhel - (positives / 2).log()
    return infonce / len(set(samples)), dhel / len(set(samples))


@pytest.mark.parametrize(("name", "which"), [("mv-infonce", 0), ("mv-dhel", 1)])
def test_losses_of_the_systems_are_those_of_naive_loops(name, which):
    step = step_of(name, n=4)
    columns = step.calls[0]["queries"].columns
    z = torch.cat(step.z())
    assert len(z) == 16
    same(step, terms(z, columns["sample"].tolist(), columns["view"].tolist())[which])


@pytest.mark.parametrize("name", ["mv-infonce", "mv-dhel"])
def test_all_views_are_random_and_go_through_the_head_of_simclr(name):
    step = step_of(name, n=4)
    views = step.views()
    assert len(views) == 4
    pairs = [(a, b) for a in range(4) for b in range(a)]
    assert all(not torch.isclose(views[a], views[b]).all(dim=(1, 2, 3)).any() for a, b in pairs)
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]


def test_the_baseline_contrasts_every_two_views_by_themselves():
    step = step_of(pairwise(), DIGITS.parts(0)[0], n=4)
    z, total = [F.normalize(v, dim=1) for v in step.z()], torch.zeros(())
    assert len(step.calls) == 6
    for a, b in itertools.combinations(range(4), 2):
        both = torch.cat([z[a], z[b]])
        scores = (both @ both.T / 0.5).masked_fill(torch.eye(8, dtype=torch.bool), -torch.inf)
        total = total + F.cross_entropy(scores, (torch.arange(8) + 4) % 8)
    same(step, total / 6)


def test_what_cannot_be_told_is_said():
    z = torch.eye(4)
    with pytest.raises(Exception, match="which sample and which view"):
        MultiView(denominator="each-view")(z, z)
    with pytest.raises(Exception, match="none a row"):
        MultiView()(z, z, reduction="none")
