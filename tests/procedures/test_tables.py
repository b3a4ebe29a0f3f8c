from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import AgainstTable, Verbalizer
from counterpoint.relation import Relation, same

LABEL = torch.tensor([4, 0, 4, 2])


def words(dim=3):
    torch.manual_seed(0)
    encoder = nn.Embedding(5, dim)
    procedure = AgainstTable(lambda encoder: encoder.weight)
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    return encoder, procedure


def test_loss_and_gradient_are_those_of_a_loop_and_the_table_has_none():
    encoder, procedure = words()
    z = torch.randn(4, 3, requires_grad=True)
    columns = {"label": LABEL, "input": torch.zeros(4).long(), "sample": torch.arange(4)}
    (call,) = procedure([{"queries": Points(z, columns), "keys": None}], lambda model: {})
    loss = InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))(**call)
    total = torch.zeros(())
    for point, own in zip(z, LABEL, strict=True):
        scores = torch.stack([(point * word).sum() for word in encoder.weight.detach()])
        total = total - F.log_softmax(scores, 0)[own] / 4
    torch.testing.assert_close(loss, total)
    (mine,) = torch.autograd.grad(loss, z)
    torch.testing.assert_close(mine, torch.autograd.grad(total, z)[0])
    assert not call["keys"].z.requires_grad
    # it belongs to the encoder, whose weights are counted once
    assert list(procedure.parameters()) == []
    before = call["keys"].z.clone()
    with torch.no_grad():
        encoder.weight.add_(1)
    (after,) = procedure([{"queries": Points(z, columns)}], lambda model: {})
    torch.testing.assert_close(after["keys"].z, before + 1)


def test_points_without_labels_or_of_another_width_are_refused():
    _, procedure = words()
    wrong = {
        "without labels": Points(torch.zeros(4, 3)),
        "need a table as wide": Points(torch.zeros(4, 2), label=LABEL),
    }
    for said, points in wrong.items():
        with pytest.raises(InputError, match=said):
            procedure([{"queries": points}], lambda model: {})


def test_a_verbalizer_leaves_the_first_dimensions_and_asks_the_last_for_each_word():
    encoder, _ = words()
    procedure = Verbalizer(lambda encoder: encoder.weight)
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    q, k = (torch.randn(n, 5, requires_grad=True) for n in (4, 2))
    columns = {"label": LABEL}
    (call,) = procedure([{"queries": Points(q, columns), "keys": k}], lambda model: {})
    for side, z in (("queries", q), ("keys", k)):
        wanted = torch.stack([torch.stack([*p[:2], *((p[2:] * word).sum() for word in encoder.weight)]) for p in z])
        torch.testing.assert_close(call[side].z, wanted)
        found, naive = (torch.autograd.grad(v.sin().sum(), (z, encoder.weight)) for v in (call[side].z, wanted))
        torch.testing.assert_close(found, naive)
    assert torch.equal(call["queries"].columns["label"], LABEL)
    assert not list(procedure.parameters())
    (call,) = procedure([{"queries": q, "keys": None}], lambda model: {})
    assert call["keys"] is None
    with pytest.raises(InputError, match="words of 3 dimensions"):
        procedure([{"queries": q[:, :2], "keys": None}], lambda model: {})
