"""FLOPS against loops, and its ramp."""

from __future__ import annotations

import copy

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import FLOPS, InfoNCE
from counterpoint.points import Points


def points(n, seed):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def naive(z):
    return sum((sum(abs(z[i, v]) for i in range(len(z))) / len(z)) ** 2 for v in range(z.shape[1]))


def test_it_is_a_loop_over_dimensions_of_all_points():
    q, k = points(4, 0), points(6, 1)
    both = [Points(z, sample=torch.arange(len(z))) for z in (q, k)]
    for found, wanted, leaves in (
        (FLOPS(0.3, 0.2)(*both), 0.3 * naive(q) + 0.2 * naive(k), (q, k)),
        (FLOPS(0.3, 0.2)(both[0]), 0.3 * naive(q), (q,)),
    ):
        torch.testing.assert_close(found, wanted)
        for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True):
            torch.testing.assert_close(one, other)


def test_weights_grow_with_the_square_of_the_step_and_stay():
    q, k = points(4, 0).detach(), points(4, 1).detach()
    whole, loss = float(FLOPS(0.3, 0.2)(q, k)), InfoNCE(1.0, geometry=Dot()) + FLOPS(0.3, 0.2, ramp=4)
    contrast = float(InfoNCE(1.0, geometry=Dot())(q, k))
    found = [(float(loss(q, k)) - contrast) / whole for _ in range(6)]
    assert found == pytest.approx([1 / 16, 4 / 16, 9 / 16, 1, 1, 1])
    # it is in the checkpoint, and only training moves it
    other = InfoNCE(1.0, geometry=Dot()) + FLOPS(0.3, 0.2, ramp=4)
    other(q, k)
    state = copy.deepcopy(other.state_dict())
    again = InfoNCE(1.0, geometry=Dot()) + FLOPS(0.3, 0.2, ramp=4)
    again.load_state_dict(state)
    again.eval()
    assert [(float(again(q, k)) - contrast) / whole for _ in range(2)] == pytest.approx([1 / 16] * 2)


def test_it_draws_to_fewer_dimensions_that_are_shared():
    shared, apart = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.eye(2)
    assert FLOPS(1.0)(shared, shared) > FLOPS(1.0)(apart, apart)


@pytest.mark.parametrize("options", [{"queries": -1.0}, {"keys": -1.0}, {"ramp": -1}])
def test_what_is_below_nothing_is_refused(options):
    with pytest.raises(InputError, match="give 0 or more"):
        FLOPS(**options)
