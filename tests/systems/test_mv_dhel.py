"""MV-InfoNCE and MV-DHEL: one term a sample over all pairs of its views."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import MultiView
from counterpoint.points import Points
from systems.views_of_digits import seen_by


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


@pytest.mark.parametrize(("name", "which"), [("mv-infonce", 0), ("mv-dhel", 1)])
def test_the_systems_have_four_views(name, which):
    config, arguments, z = seen_by(name)
    columns = arguments["queries"].columns
    wanted = loops(z, columns["sample"].tolist(), columns["view"].tolist(), 0.2)[which]
    assert config.objective()(**arguments).item() == pytest.approx(wanted, rel=1e-4)


def test_what_cannot_be_told_is_said():
    z = torch.eye(4)
    with pytest.raises(Exception, match="which sample and which view"):
        MultiView(denominator="each-view")(z, z)
    with pytest.raises(Exception, match="none a row"):
        MultiView()(z, z, reduction="none")
