"""Encouraging loss: cross-entropy with a bonus, and the gradient it leaves where cross-entropy has none."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import Encouraging
from counterpoint.points import Points
from counterpoint.relation import Relation, same
from counterpoint.systems import get
from counterpoint.systems.core import encouraging as module
from systems.through import same as same_step
from systems.through import step_of

OPTIONS = {"geometry": Dot(), "relation": Relation(same("label"))}
ENDS = {"encouraging-loss": 0.75, "encouraging-loss-early": 0.5, "encouraging-loss-normal": 1.0}


def sides(logits, target):
    classes = torch.arange(logits.shape[1])
    return Points(logits, label=target), Points(torch.eye(logits.shape[1]).to(logits), label=classes)


def naive(logits, target, end):
    total = torch.zeros(())
    for row, t in zip(logits, target.tolist(), strict=True):
        p = row[t].exp() / row.exp().sum()
        bonus = (1 - p).log() if end == 1 or p <= end else math.log(1 - end) - (p - end) / (1 - end)
        total = total - p.log() + bonus
    return total / len(logits)


@pytest.mark.parametrize(("name", "end"), ENDS.items())
def test_loss_is_cross_entropy_with_a_bonus_by_hand(name, end):
    step = step_of(name)
    (call,) = step.calls
    logits, target = step.network(step.payload.inputs), call["queries"].columns["label"]
    assert logits.shape == (16, 10)
    assert len(call["keys"]) == 10
    same_step(step, naive(logits, target, end))
    # at the start nothing is beyond the end of the logarithm: the same objective on logits that are
    sure = torch.randn(16, 10, generator=torch.Generator().manual_seed(0))
    sure[torch.arange(16), target] += torch.arange(16) / 2
    assert (torch.softmax(sure, 1)[torch.arange(16), target] > 0.75).any()
    assert step.objective(*sides(sure, target)).item() == pytest.approx(naive(sure, target, end).item(), rel=1e-4)


def test_a_confident_example_keeps_its_gradient():
    logits = torch.tensor([[8.0, 0.0]], requires_grad=True)
    found = torch.autograd.grad(Encouraging(log_end=0.75, **OPTIONS)(*sides(logits, torch.tensor([0]))), logits)[0]
    plain = torch.autograd.grad(F.cross_entropy(logits, torch.tensor([0])), logits)[0]
    # theirs and ours agree on the direction; the bonus adds p / (1 - e) times what cross-entropy has
    p = torch.softmax(logits.detach(), 1)[0, 0].item()
    torch.testing.assert_close(found, plain * (1 + p / 0.25))


@pytest.mark.parametrize("name", ENDS)
def test_the_system_is_a_linear_classifier_of_ten_classes_on_random_views(name):
    step = step_of(name)
    assert step.layers() == ["Linear"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    data = Data.alone(Items("image", torch.zeros(4, 1, 8, 8)), label=torch.tensor([0, 1, 2, 10]))
    with pytest.raises(InputError, match="11 classes, and the system has 10"):
        get(name).method().make(data, 0)


def test_each_has_the_rate_it_is_given_and_the_end_is_a_probability():
    for make in (module.encouraging, module.early, module.normal):
        assert make(0.3).stages[0].train.learning_rate == 0.3
    with pytest.raises(InputError, match="log_end"):
        Encouraging(log_end=0.0)
