"""Hyperspherical embedding: cross-entropy of scaled cosines with a vector for each class that was seen."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import ClassVectors
from counterpoint.systems import get
from counterpoint.systems.core.hyperspherical import contrastive, hyperspherical, plain_softmax, triplet
from counterpoint.testbeds.labelled import NOVEL_DIGITS
from systems.through import same, step_of


def parts(step):
    z = step.network(step.payload.inputs)
    label = step.calls[0]["queries"].columns["label"]
    label = label.repeat(len(z) // len(label))
    classes, target = label.unique(return_inverse=True)
    return z, label, classes, target


def logits(step, temperature=0.1):
    z, _, classes, target = parts(step)
    vectors = step.procedure.vectors.detach()[classes]
    return F.normalize(z, dim=1) @ F.normalize(vectors, dim=1).T / temperature, target


def test_loss_is_cross_entropy_of_scaled_cosines():
    step = step_of("hyperspherical-embedding")
    assert step.layers() == ["Identity"]
    scores, target = logits(step)
    assert 1 < scores.shape[1] <= 5
    same(step, F.cross_entropy(scores, target))
    step = step_of(hyperspherical(0.05), NOVEL_DIGITS.parts(0)[0])
    same(step, F.cross_entropy(*logits(step, 0.05)))


def test_off_the_sphere_lengths_matter():
    step = step_of(plain_softmax(), NOVEL_DIGITS.parts(0)[0])
    z, _, classes, target = parts(step)
    same(step, F.cross_entropy(z @ step.procedure.vectors.detach()[classes].T, target))


def test_views_are_random_and_classes_beyond_a_thousand_are_refused():
    first, second = step_of("hyperspherical-embedding").views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    data = Data.alone(Items("image", torch.zeros(4, 1, 8, 8)), label=torch.tensor([0, 1, 2, 1000]))
    with pytest.raises(InputError, match="1001 classes"):
        get("hyperspherical-embedding").method().make(data, 0)


def test_a_class_has_a_vector_from_when_it_is_first_seen_and_vectors_learn():
    vectors = ClassVectors(9, 2)
    objective = hyperspherical().stages[0].objective()
    (first,) = vectors([{"queries": Points(torch.eye(2), label=torch.tensor([7, 3]))}], lambda _model: {})
    assert first["keys"].columns["label"].tolist() == [3, 7]
    (second,) = vectors([{"queries": Points(torch.eye(2), label=torch.tensor([3, -1]))}], lambda _model: {})
    assert second["keys"].columns["label"].tolist() == [3, 7]
    objective(**second).backward()
    moved = vectors.vectors.grad.abs().sum(1) > 0
    assert moved.tolist() == [c in (3, 7) for c in range(9)]
    with pytest.raises(InputError, match="no class"):
        vectors([{"queries": Points(torch.eye(2))}], lambda _model: {})


def test_the_triplet_baseline_is_semi_hard():
    step = step_of(triplet(0.5), NOVEL_DIGITS.parts(0)[0])
    z, y, _, _ = parts(step)
    d = torch.cdist(F.normalize(z, dim=1)[None], F.normalize(z, dim=1)[None])[0] ** 2
    rows = []
    for i in range(len(z)):
        negatives = d[i][y != y[i]]
        terms = []
        for p in range(len(z)):
            if p != i and y[p] == y[i]:
                farther = negatives[negatives > d[i, p]]
                chosen = farther.min() if len(farther) else negatives.max()
                terms.append(F.relu(d[i, p] - chosen + 0.5))
        rows.append(torch.stack(terms).mean())
    same(step, torch.stack(rows).mean(), rtol=1e-3)


def test_the_contrastive_baseline_keeps_others_at_the_margin():
    step = step_of(contrastive(1.2), NOVEL_DIGITS.parts(0)[0])
    z, y, _, _ = parts(step)
    unit, total = F.normalize(z, dim=1), []
    for i in range(len(z)):
        d = {j: (unit[i] - unit[j]).norm() for j in range(len(z)) if j != i}
        close = [d[j] ** 2 for j in d if y[j] == y[i]]
        apart = [F.relu(1.2 - d[j]) ** 2 for j in d if y[j] != y[i]]
        total.append((torch.stack(close).mean(), torch.stack(apart).mean(), len(close), len(apart)))
    found = step.loss
    wanted = torch.stack([(a * n + b * m) / (n + m) for a, b, n, m in total]).mean()
    assert found == pytest.approx(wanted.item(), rel=1e-3)
