"""ECAML: triplets of the embedding, and the log energy of different classes, which changes the last layer only."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems.core.ecaml import metric
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def few_classes():
    """Digits, eight of four classes."""
    data = DIGITS.parts(0)[0]
    label = data.columns["label"]
    return data[torch.cat([(label == c).nonzero()[:n, 0] for c, n in ((0, 3), (1, 2), (2, 2), (3, 1))])]


def naive(step, weight, stopped=True):
    encoder, head = step.network
    h = encoder(step.payload.inputs)
    z = h @ head.head.weight.T + head.head.bias
    late = (h.detach() if stopped else h) @ head.head.weight.T + head.head.bias
    y = step.calls[0]["queries"].columns["label"].repeat(2)
    unit, n = F.normalize(z, dim=1), len(z)
    d = (unit[:, None] - unit).square().sum(2)
    hard, every = [], []
    for i in range(n):
        positives = [j for j in range(n) if j != i and y[j] == y[i]]
        negatives = [j for j in range(n) if y[j] != y[i]]
        hard.append(F.relu(d[i, positives].max() - d[i, negatives].min() + 0.1))
        every.append(torch.stack([F.relu(d[i, p] - d[i, q] + 0.1) for p in positives for q in negatives]).mean())
    loss = torch.stack(hard).mean() / 2 + torch.stack(every).mean() / 2
    if weight:
        rows = [
            torch.stack([(late[i] - late[j]).square().sum() for j in range(n) if y[j] != y[i]]).mean() for i in range(n)
        ]
        loss = loss + weight * torch.stack(rows).mean().log()
    return loss


def test_confusion_is_on_the_last_layer_only_by_a_naive_loop():
    step = step_of("ecaml", few_classes())
    same(step, naive(step, 0.13), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, naive(step, 0.13, stopped=False), rtol=1e-3)


def test_the_variant_goes_through_the_whole_encoder():
    step = step_of("ecaml-whole-encoder", few_classes())
    same(step, naive(step, 0.13, stopped=False), rtol=1e-3)


def test_the_baseline_has_no_confusion():
    step = step_of(metric(), few_classes())
    same(step, naive(step, 0.0), rtol=1e-3)


@pytest.mark.parametrize("name", ["ecaml", "ecaml-whole-encoder"])
def test_the_embedding_is_a_linear_layer_and_views_are_random(name):
    step = step_of(name, few_classes())
    assert step.layers() == ["Linear"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
