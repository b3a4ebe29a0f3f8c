"""Proto-Triplet and ICNN: naive loops; an episode's support never meets its own mean."""

from __future__ import annotations

import pytest
import torch

from counterpoint.objectives import NeighbourScore
from counterpoint.points import Points
from counterpoint.procedures import Prototypes
from counterpoint.systems.core.proto_triplet import networks
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def episode():
    """Digits, five of each of four classes."""
    data = DIGITS.parts(0)[0]
    label = data.columns["label"]
    return data[torch.cat([(label == c).nonzero()[:5, 0] for c in range(4)])]


def distance(z, means):
    return (z[:, None] - means).square().sum(2).clamp_min(1e-12).sqrt()


def entropy(z, y, means, classes):
    d = distance(z, means)
    own = torch.stack([d[i, (classes == y[i]).nonzero()[0, 0]] for i in range(len(z))])
    return (own.square() + torch.logsumexp(-d.square(), 1)).mean()


def triplet(z, y, means, classes):
    d, total = distance(z, means), torch.zeros(())
    for i in range(len(z)):
        total = total + (d[i][classes == y[i]][0] - d[i][classes != y[i]].min() + 0.5).clamp_min(0)
    return total / len(z)


def score(z, y, k=4):
    """ICNN's by the loops of its definition."""
    n, d = len(z), distance(z, z)
    close, apart, pure, foreign = [], [], [], []
    for i in range(n):
        near = sorted((j for j in range(n) if j != i), key=lambda j: float(d[i, j].detach()))[:k]
        nearest = torch.stack([d[i, j] for j in range(n) if y[j] != y[i]]).min()
        top = torch.stack([torch.ones(()), *(d[i, j] / nearest for j in near)]).max()
        mine = [d[i, j] / nearest / top for j in near if y[j] == y[i]]
        others = [d[i, j] for j in near if y[j] != y[i]]
        pure.append(len(mine) / k)
        close += [torch.stack(mine).mean()] if mine else []
        apart += [torch.stack(others).mean()] if others else []
        foreign += others
    near = 1 - torch.stack(close).mean()
    far = torch.stack(apart).mean() / torch.stack(foreign).max() if apart else torch.ones(())
    return ((near + far) / 2 + sum(pure) / n) / 2


def sides(step):
    """Queries, their classes, the means and theirs, from the network's own vectors."""
    (call,) = step.calls
    z, queries, keys = step.network(step.payload.inputs), call["queries"], call["keys"]
    place = torch.cdist(queries.z.detach(), z.detach()).argmin(1)
    label = step.payload.arguments(z)["queries"].columns["label"]
    assert torch.equal(label[place], queries.columns["label"])
    support = [i for i in range(len(z)) if i not in set(place.tolist())]
    classes = label.unique()
    assert torch.equal(classes, keys.columns["label"])
    means = torch.stack([z[[i for i in support if label[i] == c]].mean(0) for c in classes])
    assert [sum(int(label[i] == c) for i in support) for c in classes] == [3] * len(classes)
    return z[place], label[place], means, classes


@pytest.mark.parametrize("name", ["proto-triplet-icnn", "proto-triplet", "icnn"])
def test_losses_are_those_of_naive_loops(name):
    step = step_of(name, episode(), n=20)
    z, y, means, classes = sides(step)
    terms = [entropy(z, y, means, classes)]
    if "triplet" in name:
        terms.append(triplet(z, y, means, classes))
    if "icnn" in name:
        terms.append(-score(torch.cat([z, means]), torch.cat([y, classes])).log())
    same(step, sum(terms) / len(terms), rtol=1e-3)


def test_the_baseline_is_prototypical_networks():
    step = step_of(networks(), episode(), n=20)
    same(step, entropy(*sides(step)))


@pytest.mark.parametrize("name", ["proto-triplet-icnn", "proto-triplet", "icnn"])
def test_a_picture_is_there_once_changed_at_random_and_as_the_encoder_makes_it(name):
    step = step_of(name, episode(), n=20)
    assert len(step.payload.inputs) == 20
    assert step.layers() == ["Identity"]
    pixels = DIGITS.parts(0)[0].anchors.tensor
    seen = {row.numpy().tobytes() for row in pixels}
    assert not any(row.numpy().tobytes() in seen for row in step.payload.inputs)


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
