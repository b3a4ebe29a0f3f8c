"""Hyperspherical embedding: cross-entropy of scaled cosines; novel classes are never trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders.image import ImageEncoder
from counterpoint.points import Points
from counterpoint.systems.core._labelled import KNOWN, joint_accuracy, novel, novel_accuracy
from systems.stages import stage


def test_loss_is_cross_entropy_of_scaled_cosines():
    torch.manual_seed(0)
    objective = stage("Hyperspherical embedding").objective()
    z, y = torch.randn(12, objective.vectors.shape[1]), torch.arange(12) % 10
    cosines = F.normalize(z, dim=1) @ F.normalize(objective.vectors, dim=1).T
    loss = objective(Points(z, label=y))
    assert loss.item() == pytest.approx(F.cross_entropy(cosines / 0.1, y).item(), rel=1e-5)
    # neither the length of a feature nor that of a class vector matters
    objective.vectors.data *= 1 + torch.rand(10, 1)
    assert objective(Points(z * 3, label=y)).item() == pytest.approx(loss.item(), rel=1e-5)


def test_novel_classes_are_not_in_training_and_no_image_is_in_both_parts():
    train, rest = novel(3)
    assert train.labels.unique().tolist() == list(range(KNOWN))
    assert rest.labels.unique().tolist() == list(range(10))
    assert len(train) + len(rest) == 1797
    seen = {each.numpy().tobytes() for each in train.pixels}
    assert not any(each.numpy().tobytes() in seen for each in rest.pixels)


def test_accuracies_are_of_the_nearest_mean():
    parts = novel(0)
    torch.manual_seed(0)
    model = ImageEncoder(widths=(8, 16))
    support, queries = parts[1][parts[1].labels >= KNOWN].split()

    def unit(images):
        return F.normalize(torch.from_numpy(model.encode(images.pixels)), dim=1)

    means = torch.stack([unit(support)[support.labels == c].mean(0) for c in range(KNOWN, 10)])
    said = (unit(queries) @ F.normalize(means, dim=1).T).argmax(1) + KNOWN
    accuracy = float((said == queries.labels).float().mean())
    assert novel_accuracy(model, torch.nn.Identity(), parts) == pytest.approx(accuracy, abs=1e-3)
    # with more classes to choose from it cannot be much easier
    assert 0.1 < joint_accuracy(model, torch.nn.Identity(), parts) < np.nextafter(1.0, 2)
