"""Core-tuning: mixtures from the hardest pairs; soft cross-entropy and focal SupCon by naive loops."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import FocalSupCon, SupCon
from counterpoint.points import Points
from counterpoint.procedures import MixHardPairs
from counterpoint.systems.core._labelled import CLASSES, WIDTH
from systems.stages import stage


def mixed(n=9, width=WIDTH):
    torch.manual_seed(0)
    points = Points(torch.randn(n, width), label=torch.arange(n) % 3)
    procedure = stage("Core-tuning").procedure(width)
    (call,) = procedure([{"queries": points[:5], "keys": points[5:]}], lambda _model: {})
    return points, procedure, call["queries"]


def test_loss_is_that_of_a_naive_loop_over_mixtures():
    _, procedure, seen = mixed()
    objective = stage("Core-tuning").objective()
    classify, contrast = objective.objectives
    y, other, share = (seen.columns[name] for name in ("label", "other", "share"))
    z = seen.z[:, :WIDTH]
    soft = share[:, None] * F.one_hot(y, CLASSES) + (1 - share)[:, None] * F.one_hot(other, CLASSES)
    entropy = F.cross_entropy(z @ classify.objective.vectors.T, soft)
    assert classify(seen).item() == pytest.approx(entropy.item(), rel=1e-4)
    c = F.normalize(procedure.network(z), dim=1).detach()
    total = 0.0
    for i in range(len(c)):
        others = [j for j in range(len(c)) if j != i]
        p = torch.softmax(torch.stack([c[i] @ c[j] for j in others]) / 0.07, 0)
        terms = [(1 - p[k]) * p[k].log() for k, j in enumerate(others) if y[j] == y[i]]
        total -= float(sum(terms)) / len(terms) / len(c)
    assert contrast(seen).item() == pytest.approx(total, rel=1e-3)
    assert objective(seen).item() == pytest.approx(total + entropy.item(), rel=1e-3)


def test_mixtures_are_of_the_hardest_pairs():
    points, _, seen = mixed()
    z, y, n = points.z, points.columns["label"], len(points)
    unit = F.normalize(z, dim=1)
    share, first, second = (seen.columns[name] for name in ("share", "label", "other"))
    for i in range(n):
        far = min((j for j in range(n) if y[j] == y[i]), key=lambda j: float(unit[i] @ unit[j]))
        near = max((j for j in range(n) if y[j] != y[i]), key=lambda j: float(unit[i] @ unit[j]))
        a = share[n + i]
        assert torch.allclose(seen.z[n + i, :WIDTH], a * z[far] + (1 - a) * z[near], atol=1e-5)
        assert (first[n + i], second[n + i]) == (y[i], y[near])
    b = share[2 * n :, None]
    drawn = (seen.z[2 * n :, :WIDTH] - (1 - b) * z) / b
    place = torch.cdist(drawn, z).argmin(1)
    assert torch.allclose(drawn, z[place], atol=1e-4)
    assert sorted(place.tolist()) == list(range(n))
    assert float(b.min()) >= 0.8 - 1e-6
    assert torch.equal(first[2 * n :], y[place])
    assert torch.equal(second[2 * n :], y)


def test_without_focus_it_is_supcon_and_with_it_known_pairs_count_less():
    torch.manual_seed(0)
    points = Points(torch.randn(8, 4), label=torch.arange(8) % 2)
    assert FocalSupCon(0.5, focus=0.0)(points).item() == pytest.approx(SupCon(0.5)(points).item(), rel=1e-6)
    assert FocalSupCon(0.5)(points) < SupCon(0.5)(points)
    with pytest.raises(ValueError, match="share"):
        MixHardPairs(torch.nn.Identity(), least=1.5)
