"""Encouraging loss: cross-entropy with a bonus, and the gradient it leaves where cross-entropy has none."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import Encouraging
from counterpoint.points import Points
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import as_rows
from counterpoint.training.rows import RowBatches
from systems.stages import stage

OPTIONS = {"geometry": Dot(), "relation": Relation(same("label"))}


def sides(logits, target):
    classes = torch.arange(logits.shape[1])
    return Points(logits, label=target), Points(torch.eye(logits.shape[1]).to(logits), label=classes)


@pytest.mark.parametrize("end", [0.5, 0.75, 1.0])
def test_loss_is_cross_entropy_with_a_bonus_by_hand(end):
    g = torch.Generator().manual_seed(0)
    logits, target = 3 * torch.randn(12, 4, generator=g, dtype=torch.float64), torch.arange(12) % 4
    total = 0.0
    for row, t in zip(logits.tolist(), target.tolist(), strict=True):
        p = math.exp(row[t]) / sum(map(math.exp, row))
        bonus = math.log(1 - p) if p <= end or end == 1 else math.log(1 - end) - (p - end) / (1 - end)
        total += -math.log(p) + bonus
    assert Encouraging(log_end=end, **OPTIONS)(*sides(logits, target)).item() == pytest.approx(total / 12, rel=1e-9)


def test_a_confident_example_keeps_its_gradient():
    logits = torch.tensor([[8.0, 0.0]], requires_grad=True)
    found = torch.autograd.grad(Encouraging(log_end=0.75, **OPTIONS)(*sides(logits, torch.tensor([0]))), logits)[0]
    plain = torch.autograd.grad(F.cross_entropy(logits, torch.tensor([0])), logits)[0]
    # theirs and ours agree on the direction; the bonus adds p / (1 - e) times what cross-entropy has
    p = torch.softmax(logits, 1)[0, 0].item()
    torch.testing.assert_close(found, plain * (1 + p / 0.25))


def test_the_system_is_a_classifier_of_views():
    torch.manual_seed(0)
    config, model = stage("encouraging-loss"), ImageEncoder(widths=(8, 16))
    payload = RowBatches(as_rows(digits()), model, view=config.view).payload(torch.arange(20))
    logits = config.head(16)(model(payload.inputs))
    p = torch.softmax(logits, 1)[torch.arange(40), digits().labels[:20].repeat(2)]
    assert p.max().item() < 0.75
    (call,) = config.procedure(16)([payload.arguments(logits)], lambda model: {})
    wanted = (-p.log() + (1 - p).log()).mean()
    assert config.objective()(**call).item() == pytest.approx(wanted.item(), rel=1e-4)
    with pytest.raises(InputError, match="log_end"):
        Encouraging(log_end=0.0)
