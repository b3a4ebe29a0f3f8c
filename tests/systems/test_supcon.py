"""SupCon: equation 2 over all views; its baseline is cross-entropy exactly."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.heads import projection
from counterpoint.systems.core._digits import as_rows
from counterpoint.systems.core.supcon import cross_entropy
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def test_loss_is_equation_2_of_a_naive_loop():
    torch.manual_seed(0)
    config, model = stage("supcon"), ImageEncoder(widths=(8, 16))
    # rows with classes 0, 1, 2, 0, 1: some alone, some not
    rows = torch.tensor([0, 1, 2, 10, 11])
    payload = RowBatches(as_rows(digits()), model, view=config.view).payload(rows)
    seen = payload.arguments(config.head(16)(model(payload.inputs)))
    z = F.normalize(torch.cat([seen["queries"].z, seen["keys"].z]), dim=1).detach()
    y = digits().labels[rows].repeat(2)
    assert len(y.unique()) < len(rows)
    total = 0.0
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        denominator = sum(math.exp(float(z[i] @ z[a]) / 0.1) for a in others)
        positives = [p for p in others if y[p] == y[i]]
        terms = [math.log(math.exp(float(z[i] @ z[p]) / 0.1) / denominator) for p in positives]
        total -= sum(terms) / len(positives)
    assert config.objective()(**seen).item() == pytest.approx(total / len(z), rel=1e-4)


def test_the_baseline_is_cross_entropy():
    torch.manual_seed(0)
    config, model = cross_entropy(10).stages[0], ImageEncoder(widths=(8, 16))
    rows = torch.arange(20)
    payload = RowBatches(as_rows(digits()), model, view=config.view).payload(rows)
    logits = config.head(16)(model(payload.inputs))
    assert logits.shape == (40, 10)
    (call,) = config.procedure(16)([payload.arguments(logits)], lambda model: {})
    expected = F.cross_entropy(logits, digits().labels[rows].repeat(2))
    assert config.objective()(**call).item() == pytest.approx(expected.item(), rel=1e-5)
    assert type(config.head(16)[-1]) is type(projection(16)[0])
