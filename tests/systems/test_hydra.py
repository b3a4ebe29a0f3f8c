"""Hydra: all of another class are positive under its gate, by a naive loop; gates learn which dimensions are shared."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import PairGates
from counterpoint.systems import get
from counterpoint.systems.core.hydra import same_class
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def few_classes():
    """Digits, eight of four classes."""
    data = DIGITS.parts(0)[0]
    label = data.columns["label"]
    return data[torch.cat([(label == c).nonzero()[:n, 0] for c, n in ((0, 3), (1, 2), (2, 2), (3, 1))])]


def naive(step, learned=True):
    (call,) = step.calls
    y, other = call["queries"].columns["label"], call["queries"].columns["other"]
    assert sorted(other.tolist()) == sorted(y.tolist())
    assert other.tolist() != y.tolist()
    q, k = step.z()
    procedure = step.procedure
    if learned:
        mean = (procedure.embedding.weight[y] + procedure.embedding.weight[other]) / 2
        gate = torch.sigmoid(procedure.network(mean))
    else:
        gate = torch.ones_like(q)
    t, total = 0.1, torch.zeros(())
    for i in range(len(q)):
        s = [F.cosine_similarity(gate[i] * q[i], gate[i] * key, dim=0) / t for key in k]
        away = torch.stack([s[j] for j in range(len(k)) if y[j] not in (y[i], other[i])])
        losses = [torch.logaddexp(s[j], torch.logsumexp(away, 0)) - s[j] for j in range(len(k)) if y[j] == other[i]]
        total = total + torch.stack(losses).mean()
    return total / len(q)


def test_loss_is_that_of_a_naive_loop_over_gated_pairs():
    step = step_of("hydra", few_classes())
    same(step, naive(step))
    gate = step.calls[0]["queries"].z[:, 1]
    assert gate.std(0).max() > 0.01


def test_without_gates_all_dimensions_are_on():
    step = step_of("hydra-without-gates", few_classes())
    assert torch.equal(step.calls[0]["queries"].z[:, 1], torch.ones(8, 128))
    same(step, naive(step, learned=False))
    assert not any(p.requires_grad for p in step.procedure.parameters())


@pytest.mark.parametrize("name", ["hydra", "hydra-without-gates"])
def test_the_temperature_is_learned_and_the_head_has_batch_and_layer_norm(name):
    step = step_of(name, few_classes())
    assert step.objective.temperature.scale().requires_grad
    assert step.objective.temperature.scale().item() == pytest.approx(10)
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "LayerNorm"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


@pytest.mark.parametrize("name", ["hydra", "hydra-without-gates"])
def test_as_many_classes_as_imagenet_has_and_no_more(name):
    data = Data.alone(Items("image", torch.zeros(4, 1, 8, 8)), label=torch.tensor([0, 1, 2, 1000]))
    with pytest.raises(InputError, match="1001 classes"):
        get(name).method().make(data, 0)


def test_the_baseline_has_the_same_head_and_pairs_of_one_class():
    step = step_of(same_class(), few_classes())
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "LayerNorm"]
    z = F.normalize(torch.cat(step.z()), dim=1)
    y = step.calls[0]["queries"].columns["label"].repeat(2)
    log_p = torch.log_softmax((z @ z.T / 0.1).masked_fill(torch.eye(16, dtype=torch.bool), -1e9), 1)
    alike = (y[:, None] == y) & ~torch.eye(16, dtype=torch.bool)
    same(step, -((log_p * alike).sum(1) / alike.sum(1)).mean())


def test_a_gate_turns_on_what_two_classes_share():
    torch.manual_seed(0)
    # the first two classes agree in dimension 0 only, the third one differs from both there
    centre = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]])
    gates = PairGates(3, 2)
    objective = get("hydra").method().stages[0].objective()
    steps = torch.optim.Adam(gates.parameters(), lr=0.01)
    for _ in range(100):
        y = torch.arange(30) % 3
        points = Points(centre[y] + 0.1 * torch.randn(30, 2), label=y, sample=torch.arange(30))
        (call,) = gates([{"queries": points, "keys": points}], lambda _model: {})
        steps.zero_grad()
        objective(**call).backward()
        steps.step()
    ((first, second),) = gates.eval().gate(torch.tensor([0]), torch.tensor([1])).tolist()
    assert first > 0.6 > 0.4 > second
