"""MaxSim against a loop over vectors: scores, gradients, what fills up, and that blocks change nothing."""

from __future__ import annotations

import pytest
import torch

from counterpoint.geometry import Geometry, MaxSim, late
from counterpoint.objectives import InfoNCE


def points(n: int, t: int, seed: int = 0) -> torch.Tensor:
    """Some of fewer vectors, one of none; what fills up stands also between vectors."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, t, 3, generator=g, dtype=torch.float64)
    z[1, 2:], z[2, 0], z[3] = 0, 0, 0
    return z.requires_grad_()


def naive(q, k):
    rows = []
    for asked in q:
        row = []
        for key in k:
            total = asked.sum() * 0
            for x in asked:
                products = [x @ y for y in key if bool((y != 0).any())]
                if bool((x != 0).any()) and products:
                    total = total + torch.stack(products).max()
            row.append(total)
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("at_once", [1, 40, 1 << 22])
def test_scores_and_gradients_are_those_of_a_loop_over_vectors(at_once, monkeypatch):
    monkeypatch.setattr(late, "_SCORES", at_once)
    geometry = MaxSim()
    assert isinstance(geometry, Geometry)
    q, k, scale = points(5, 4), points(6, 7, seed=1), torch.tensor(1.5, requires_grad=True, dtype=torch.float64)
    weight = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    wanted = scale * naive(q, k)
    for found in (geometry.shared(q, k, scale), geometry.owned(q, k.expand(5, 6, 7, 3), scale)):
        torch.testing.assert_close(found, wanted)
        gradients = [torch.autograd.grad((s * weight).sum(), (q, k, scale), retain_graph=True) for s in (found, wanted)]
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other)


def test_what_fills_up_changes_nothing():
    q, k = points(5, 4).detach(), points(6, 7, seed=1).detach()
    longer = torch.cat([torch.zeros(6, 2, 3), k, torch.zeros(6, 5, 3)], 1)
    torch.testing.assert_close(MaxSim().shared(q, longer, 1.0), MaxSim().shared(q, k, 1.0))
    # not even where all that is there is worse than nothing
    assert float(MaxSim().shared(torch.ones(1, 1, 3), torch.tensor([[[-1.0] * 3, [0.0] * 3]]), 1.0)) == -3


def test_no_more_than_some_keys_are_compared_at_once(monkeypatch):
    monkeypatch.setattr(late, "_SCORES", 4 * 3 * 5 * 2)
    seen, masked = [], torch.Tensor.masked_fill_
    monkeypatch.setattr(torch.Tensor, "masked_fill_", lambda z, *rest: (seen.append(z.numel()), masked(z, *rest))[1])
    MaxSim().shared(torch.randn(4, 3, 2), torch.randn(20, 5, 2), 1.0)
    assert seen == [4 * 3 * 5 * 2] * 10


@pytest.mark.parametrize("block", [1, 2, 0])
def test_a_row_objective_is_the_same_in_blocks(block):
    q, k = points(5, 6), points(5, 6, seed=1)
    loss = InfoNCE(0.3, geometry=MaxSim())(queries=q, keys=k, block=block)
    wanted = torch.nn.functional.cross_entropy(naive(q, k) / 0.3, torch.arange(5))
    torch.testing.assert_close(loss, wanted)
    for one, other in zip(torch.autograd.grad(loss, (q, k)), torch.autograd.grad(wanted, (q, k)), strict=True):
        torch.testing.assert_close(one, other)
