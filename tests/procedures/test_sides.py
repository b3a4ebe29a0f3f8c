"""Sides of a batch that are made of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import PairsOfViews, RestOfViews, SeveralItems


def test_the_key_of_a_view_is_the_mean_of_the_others_with_a_gradient():
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    sample, view = torch.tensor([4, 7, 4, 7, 4, 7]), torch.tensor([0, 0, 1, 1, 2, 2])
    sides = {"queries": Points(z[:2], sample=sample[:2], view=view[:2])}
    sides["keys"] = Points(z[2:], sample=sample[2:], view=view[2:])
    (call,) = RestOfViews()([sides], lambda model: {})
    u = F.normalize(z, dim=1)
    torch.testing.assert_close(call["queries"].z, u)
    torch.testing.assert_close(call["keys"].z[2], (u[0] + u[4]) / 2)
    torch.testing.assert_close(call["keys"].z[1], (u[3] + u[5]) / 2)
    (gradient,) = torch.autograd.grad(call["keys"].z[2].sum(), z)
    assert gradient[0].any()
    assert not gradient[[1, 2, 3, 5]].any()


def test_views_that_are_not_named_are_refused():
    with pytest.raises(InputError, match="'view'"):
        RestOfViews()([{"queries": torch.eye(2)}], lambda model: {})


def test_every_two_views_are_a_call_of_all_their_points():
    z, view = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([2, 0, 1, 3] * 2)
    calls = PairsOfViews()([{"queries": Points(z, view=view)}], lambda model: {})
    assert len(calls) == 6
    assert torch.equal(calls[1]["queries"].z, z[[1, 5]])
    assert torch.equal(calls[1]["keys"].z, z[[0, 4]])
    with pytest.raises(InputError, match="of one view"):
        PairsOfViews()([{"queries": z}], lambda model: {})


def test_views_of_several_items_belong_to_their_item_alone():
    z = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    sample, view = torch.tensor([4, 9]).repeat(6), torch.arange(6).repeat_interleave(2)
    label = torch.tensor([[0, 1, 2], [3, 4, -1]]).repeat(6, 1)
    points = Points(z, sample=sample, view=view, label=label, input=sample)
    (call,) = SeveralItems()([{"queries": points[:6], "keys": points[6:]}], lambda model: {})
    seen = call["queries"]
    assert torch.equal(seen.z, z)
    assert set(seen.columns) == {"sample", "label"}
    for i in range(12):
        together = (seen.columns["sample"] == seen.columns["sample"][i]).nonzero()[:, 0].tolist()
        assert together == [j for j in range(12) if sample[j] == sample[i] and view[j] // 2 == view[i] // 2]
        assert seen.columns["label"][i] == label[i, view[i] // 2]
    (call,) = SeveralItems(3)([{"queries": Points(z, sample=sample, view=view, label=sample)}], lambda model: {})
    assert torch.equal(call["queries"].columns["label"], sample)
    assert len(call["queries"].columns["sample"].unique()) == 4
    with pytest.raises(InputError, match="of a sample"):
        SeveralItems()([{"queries": torch.eye(2)}], lambda model: {})
