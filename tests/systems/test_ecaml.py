"""ECAML: a triplet loss plus a small weight times the squared distance between classes."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.systems.core.ecaml import recall_at_1
from counterpoint.systems.core.hyperspherical import triplet
from systems.stages import stage


def test_confusion_is_the_mean_squared_distance_of_different_classes():
    torch.manual_seed(0)
    z, y = torch.randn(9, 4), torch.arange(9) % 3
    points = Points(z, label=y)
    unit = F.normalize(z, dim=1)
    pairs = [(i, j) for i, j in itertools.permutations(range(9), 2) if y[i] != y[j]]
    energy = sum(float((unit[i] - unit[j]).square().sum()) for i, j in pairs) / len(pairs)
    added = stage("ECAML").objective()(points) - triplet().stages[0].objective()(points)
    assert added.item() == pytest.approx(0.1 * energy, rel=1e-4)


def test_recall_at_1_is_of_the_nearest_other_image():
    class Given(torch.nn.Module):
        def encode(self, pixels):
            return pixels[:, 0, 0].numpy()

    from counterpoint.data.images import Images

    pixels = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.6], [9.0, 9.0]])[:, None, None]
    images = Images(pixels, torch.tensor([5, 5, 6, 6, 0]), "")
    # the first two find each other; 2 and 3 find 3 and 1; the last one is of a known class
    assert recall_at_1(Given(), None, (images, images)) == 0.75
