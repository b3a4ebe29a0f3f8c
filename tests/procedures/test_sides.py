"""Sides of a batch that are made of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import PairsOfViews, RestOfViews


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
