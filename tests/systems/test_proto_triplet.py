"""Proto-Triplet and ICNN: naive loops; an episode's support never meets its own mean."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.encoders.image import ImageEncoder
from counterpoint.objectives import NeighbourScore
from counterpoint.points import Points
from counterpoint.procedures import Prototypes
from counterpoint.systems.core._labelled import novel
from counterpoint.systems.core.proto_triplet import few_shot, margin, prototypical
from systems.stages import stage


def score(z, y, k):
    """ICNN's by the loops of its definition."""
    n = len(z)
    d = [[math.dist(a, b) for b in z.tolist()] for a in z.tolist()]
    close, apart, pure, farthest = [], [], [], 0.0
    for i in range(n):
        near = sorted((j for j in range(n) if j != i), key=lambda j: d[i][j])[:k]
        nearest = min(d[i][j] for j in range(n) if y[j] != y[i])
        top = max(1.0, *(d[i][j] / nearest for j in near))
        mine = [d[i][j] / nearest / top for j in near if y[j] == y[i]]
        others = [d[i][j] for j in near if y[j] != y[i]]
        farthest = max([farthest, *others])
        pure.append(len(mine) / k)
        close += [sum(mine) / len(mine)] if mine else []
        apart += [sum(others) / len(others)] if others else []
    close = 1 - sum(close) / len(close)
    apart = sum(apart) / len(apart) / farthest if apart else 1.0
    return ((close + apart) / 2 + sum(pure) / n) / 2


def test_losses_are_those_of_naive_loops():
    torch.manual_seed(0)
    z, y = torch.randn(14, 3) + 2 * torch.eye(3)[torch.arange(14) % 3], torch.arange(14) % 3
    means, classes = torch.randn(3, 3), torch.arange(3)
    queries, keys = Points(z, label=y), Points(means, label=classes)
    entropy = triplet = 0.0
    for x, c in zip(z, y.tolist(), strict=True):
        d = [float((x - m).norm()) for m in means]
        entropy -= math.log(math.exp(-(d[c] ** 2)) / sum(math.exp(-(e**2)) for e in d)) / len(z)
        triplet += max(0.0, d[c] - min(e for o, e in enumerate(d) if o != c) + 0.5) / len(z)
    icnn = -math.log(score(torch.cat([z, means]), [*y.tolist(), *classes.tolist()], 4))
    assert prototypical()(queries, keys).item() == pytest.approx(entropy, rel=1e-4)
    assert margin()(queries, keys).item() == pytest.approx(triplet, rel=1e-4)
    whole = stage("Proto-Triplet + ICNN").objective()
    assert whole(queries, keys).item() == pytest.approx((entropy + triplet + icnn) / 3, rel=1e-4)


def test_separated_classes_score_1_and_mixed_ones_less():
    label = torch.arange(12) % 2
    apart = Points(100.0 * label[:, None] + 1e-6 * torch.arange(12)[:, None], label=label)
    mixed = Points(torch.arange(12.0)[:, None], label=label)
    assert NeighbourScore()(apart).item() == pytest.approx(0, abs=1e-4)
    assert NeighbourScore()(mixed).item() > 0.5


def test_an_episode_divides_each_class_into_its_mean_and_queries():
    torch.manual_seed(1)
    y = torch.tensor([0, 1, 0, 1, 0, 1, 2, -1])
    points = Points(torch.eye(8), label=y, sample=torch.arange(8))
    (call,) = Prototypes(2)([{"queries": points[:4], "keys": points[4:]}], lambda _model: {})
    assert call["keys"].columns["label"].tolist() == [0, 1, 2]
    # a mean has its support's places; no query is one of them
    support = (call["keys"].z > 0).any(0)
    assert (call["keys"].z > 0).sum(1).tolist() == [2, 2, 1]
    assert call["keys"].z.sum(1).tolist() == [1, 1, 1]
    queries = call["queries"].columns["sample"]
    assert not support[queries].any()
    assert sorted(y[queries].tolist()) == [-1, 0, 1]


def test_few_shot_accuracy_is_far_above_chance_on_novel_classes_even_untrained():
    torch.manual_seed(0)
    assert 0.4 < few_shot(ImageEncoder(widths=(8, 16)), None, novel(0)) < 1
