"""PAL: one loss on a graph; views alone make it SimCLR, labels make it SupCon, answers make what is between."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import Images
from counterpoint.points import Points
from counterpoint.systems.core import pal
from systems.stages import stage


def loss(z, edges, t=0.5):
    total = 0.0
    for i in range(len(z)):
        e = [math.exp(float(z[i] @ z[k]) / t) for k in range(len(z))]
        positives = [k for k in range(len(z)) if k != i and edges[k] == edges[i]]
        rest = sum(e) - e[i]
        total -= sum(math.log(e[k] / rest) for k in positives) / len(positives)
    return total / len(z)


def test_simclr_and_supcon_are_choices_of_the_graph():
    z = F.normalize(torch.randn(8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=1)
    samples, labels, some = [0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 2, 2]
    objective = stage("pal").objective()

    def on(edge):
        sides = [
            Points(v, sample=torch.tensor(samples), label=torch.tensor(labels), edge=torch.tensor(edge))
            for v in z.split(4)
        ]
        return objective(*sides).item(), sides

    for edge in (samples, labels, some):
        assert on(edge)[0] == pytest.approx(loss(z, edge * 2), rel=1e-9)
    found, sides = on(samples)
    assert found == pytest.approx(stage("simclr").objective()(*sides).item(), rel=1e-9)
    from counterpoint.objectives import SupCon

    assert on(labels)[0] == pytest.approx(SupCon(0.5)(*sides).item(), rel=1e-9)


def test_answers_are_edges_and_edges_connect():
    images = Images(torch.zeros(6, 1, 2, 2), torch.tensor([0, 0, 0, 1, 1, 2]), "")
    found = pal.answered(images, torch.tensor([[0, 1], [1, 2], [0, 3], [4, 5]])).columns["edge"].tolist()
    assert found[0] == found[1] == found[2]
    assert len(set(found)) == 4


def test_the_active_learner_asks_about_its_nearest(monkeypatch):
    class Model:
        def encode(self, pixels):
            return torch.nn.functional.one_hot(torch.arange(len(pixels)) // 2 % 400).float().numpy()

    monkeypatch.setattr(pal, "fitted", lambda *_: (Model(), None))
    pal.nearest_pairs.cache_clear()
    train, _ = pal.nearest_pairs(0)
    pal.nearest_pairs.cache_clear()
    pairs = torch.arange(0, 798, 2)
    same = train.labels[pairs] == train.labels[pairs + 1]
    edge = train.columns["edge"]
    assert torch.equal(edge[pairs] == edge[pairs + 1], same)
