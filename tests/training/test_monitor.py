"""What is said of the points of a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.geometry import Euclidean, Parts
from counterpoint.heads import PerView
from counterpoint.objectives import HedgedMatch, InfoNCE, SoftContrastive, StandardNormal
from counterpoint.training.monitor import measure


def spread(n=64, d=8):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def test_of_several_vectors_the_one_that_is_spread_counts():
    alike = torch.full((64, 8), -6.0)
    both = measure({"queries": torch.stack([alike, spread()], 1)})
    assert "warning" not in both
    alone = measure({"queries": spread()})
    assert both == alone
    collapsed = measure({"queries": torch.stack([alike, alike + 0.01 * spread()], 1)})
    assert collapsed["warning"].startswith("complete collapse")
    assert collapsed["mean_cosine"] == pytest.approx(1, abs=1e-3)


def test_keys_of_several_vectors_have_an_alignment():
    z = torch.stack([torch.full((64, 8), -6.0), spread()], 1)
    assert measure({"queries": z, "keys": z})["alignment"] == pytest.approx(0, abs=1e-6)


def test_points_of_vectors_in_rows_and_columns_are_looked_at_one_by_one():
    z = torch.full((64, 2, 3, 8), -6.0)
    z[:, 1, 2] = spread()
    assert measure({"queries": z}) == measure({"queries": spread()})


@pytest.mark.parametrize(
    ("objective", "collapsed"),
    [
        (InfoNCE(), True),
        (InfoNCE(geometry=Euclidean(normalized=True)), True),
        (InfoNCE(geometry=Euclidean()), False),
        (InfoNCE(geometry=Parts(0, 0, Euclidean())), False),
        (SoftContrastive(geometry=HedgedMatch(2)) + 1e-4 * StandardNormal(), False),
        (InfoNCE() + 0.1 * SoftContrastive(geometry=HedgedMatch(2)), True),
    ],
)
def test_what_all_points_share_matters_where_directions_do(objective, collapsed):
    assert ("warning" in measure({"queries": 20 + spread()}, objective)) == collapsed
    assert "warning" in measure({"queries": 20 + 1e-3 * spread()}, objective)


@pytest.mark.parametrize(
    ("head", "warned"),
    [
        (nn.Linear(8, 8), False),
        (nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)), True),
        (PerView(nn.BatchNorm1d(8)), True),
    ],
)
def test_before_the_head_counts_where_the_head_spreads_by_its_batch(head, warned):
    row = measure({"queries": spread(), "encoded": 20 + spread()}, head=head)
    assert ("warning" in row) == warned
