from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import Logits
from counterpoint.points import Points
from counterpoint.procedures import PairFeatures


def call(rows=5, dim=3, **columns):
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(rows, dim, generator=generator, requires_grad=True) for _ in range(2))
    sample = torch.arange(rows)
    return {"queries": Points(u, sample=sample, **columns), "keys": Points(v, sample=sample)}


@pytest.mark.parametrize("product", [True, False])
def test_cross_entropy_and_gradients_are_those_of_a_loop_over_pairs(product):
    label = torch.tensor([0, 2, 1, 1, 0])
    given, network = call(label=label), nn.Linear(12 if product else 9, 3)
    (made,) = PairFeatures(network, product=product)([given], lambda model: {})
    assert "keys" not in made
    total = torch.zeros(())
    for u, v, own in zip(given["queries"].z, given["keys"].z, label, strict=True):
        parts = [x for pair in zip(u, v, strict=True) for x in pair]
        parts = parts[::2] + parts[1::2] + [abs(a - b) for a, b in zip(u, v, strict=True)]
        parts += [a * b for a, b in zip(u, v, strict=True)] if product else []
        total = total - F.log_softmax(network.weight @ torch.stack(parts) + network.bias, 0)[own] / 5
    loss = Logits(3)(**made)
    torch.testing.assert_close(loss, total)
    over = [given["queries"].z, given["keys"].z, network.weight, network.bias]
    for mine, naive in zip(*(torch.autograd.grad(value, over) for value in (loss, total)), strict=True):
        torch.testing.assert_close(mine, naive)


def test_pairs_are_no_copies_because_they_share_a_text():
    given = call(label=torch.zeros(5).long(), input=torch.zeros(5).long(), partner=torch.ones(5).long())
    (made,) = PairFeatures(nn.Identity())([given], lambda model: {})
    assert made["queries"].columns.keys() == {"sample", "label"}


def test_anchors_without_one_key_of_their_own_are_refused():
    given = call()
    alone, fewer = {"queries": given["queries"]}, {**given, "keys": given["keys"][:4]}
    another = {**given, "keys": given["keys"][torch.arange(5).flip(0)]}
    for wrong in (alone, {**alone, "keys": None}, fewer, another):
        with pytest.raises(InputError, match="one positive for each anchor"):
            PairFeatures(nn.Identity())([wrong], lambda model: {})
