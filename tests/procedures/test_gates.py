"""Gates of pairs of classes: from one network, the same either way round, and open where they are not learned."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import PairGates


def test_a_gate_is_of_the_mean_of_two_embeddings_and_in_no_order():
    torch.manual_seed(0)
    gates = PairGates(5, 3).eval()
    first, second = torch.tensor([0, 1, 2]), torch.tensor([4, 1, 3])
    found = gates.gate(first, second)
    assert torch.equal(found, gates.gate(second, first))
    mean = (gates.embedding.weight[first] + gates.embedding.weight[second]) / 2
    torch.testing.assert_close(found, torch.sigmoid(gates.network(mean)))
    assert ((found > 0) & (found < 1)).all()


def test_open_gates_learn_nothing_and_labels_are_needed():
    gates = PairGates(5, 3, learned=False)
    assert torch.equal(gates.gate(torch.tensor([0, 1]), torch.tensor([2, 3])), torch.ones(2, 3))
    assert not any(p.requires_grad for p in gates.parameters())
    with pytest.raises(InputError, match="with labels"):
        gates([{"queries": Points(torch.eye(3)), "keys": Points(torch.eye(3))}], lambda _model: {})
