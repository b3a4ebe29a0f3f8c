from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Mined, below_the_guide
from counterpoint.points import Points
from counterpoint.procedures import Guided


def started():
    procedure = Guided()
    procedure.start(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)))
    return procedure


def test_with_hard_negatives_loss_and_gradient_are_those_of_a_loop_over_pairs():
    g = torch.Generator().manual_seed(0)
    q, k, seen = (torch.randn(n, 3, generator=g) for n in (4, 6, 10))
    q.requires_grad_(), k.requires_grad_()
    sample = torch.tensor([0, 1, 2, 3, -1, -1])
    batch = {"queries": Points(q, sample=torch.arange(4)), "keys": Points(k, sample=sample)}
    taught = {"queries": Points(seen[:4]), "keys": Points(seen[4:])}
    (call,) = started()([batch], lambda model: taught)
    loss = Mined(InfoNCE(0.2, geometry=Dot()), below_the_guide())(**call)
    (uq, uk), (gq, gk) = ([F.normalize(side, dim=1) for side in pair] for pair in ((q, k), (seen[:4], seen[4:])))
    total, left = torch.zeros(()), 0
    for i in range(4):
        own = gq[i] @ gk[i]
        pairs = [(uq[i] @ uk[j], gq[i] @ gk[j]) for j in range(6) if j != i]
        pairs += [(uq[i] @ uq[j], gq[i] @ gq[j]) for j in range(4) if j != i]
        pairs += [(uk[i] @ uk[j], gk[i] @ gk[j]) for j in range(4) if j != i]
        kept = [score for score, said in pairs if said <= own]
        left += len(pairs) - len(kept)
        total = total - torch.stack([uq[i] @ uk[i], *kept]).div(0.2).log_softmax(0)[0] / 4
    assert 0 < left < 4 * 11
    torch.testing.assert_close(loss, total)
    mine, wanted = (torch.autograd.grad(side, (q, k)) for side in (loss, total))
    torch.testing.assert_close(mine, wanted)


def test_the_guide_is_a_copy_that_neither_learns_nor_drops_nor_follows():
    procedure = started().train()
    dropout = procedure.model[1]
    assert not dropout.training
    assert not any(p.requires_grad for p in procedure.parameters())
    model = nn.Sequential(nn.Linear(3, 3), nn.Identity())
    procedure.start(model)
    with torch.no_grad():
        model[0].weight.add_(1)
    procedure.finish_step()
    assert not torch.allclose(procedure.model[0].weight, model[0].weight)


def test_keys_must_be_there_and_the_queries_own_first():
    z = torch.eye(3)
    with pytest.raises(InputError, match="one side"):
        started()([{"queries": Points(z), "keys": None}], lambda model: {})
    other = {"queries": Points(z, sample=torch.arange(3)), "keys": Points(z, sample=torch.tensor([1, 0, 2]))}
    with pytest.raises(InputError, match="not the queries' own"):
        started()([other], lambda model: {})
