"""GroCo: a sorting network written out, and which entries it is given."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import GroCo, odd_even_sort
from counterpoint.points import Points
from counterpoint.systems.core.groco import groco, softmax
from counterpoint.testbeds import DIGITS
from systems.remembered import assert_random_views
from systems.through import same, step_of


def shares(x, steepness=1.0):
    """What share of each entry ends at each rank of an odd-even network, swap by swap."""
    x, columns = list(x), list(torch.eye(len(x)))
    for layer in range(len(x)):
        for left in range(layer % 2, len(x) - 1, 2):
            a = torch.atan(steepness * (x[left + 1] - x[left])) / math.pi + 0.5
            x[left], x[left + 1] = a * x[left] + (1 - a) * x[left + 1], (1 - a) * x[left] + a * x[left + 1]
            one, other = columns[left], columns[left + 1]
            columns[left], columns[left + 1] = a * one + (1 - a) * other, (1 - a) * one + a * other
    return torch.stack(columns, 1)


def sorted_loss(z, views, hardest, steepness=1.0):
    """Each point against the hardest of its own view and its other views, which have no gradient."""
    n = len(z) // views
    z, total = F.normalize(z, dim=1), torch.zeros(())
    for i in range(len(z)):
        s = [z[i] @ z[j].detach() for j in range(len(z))]
        others = [s[j] for j in range(len(z)) if j // n == i // n and j != i]
        near = sorted(others, key=torch.Tensor.item)[-hardest:]
        mine = sorted((s[j] for j in range(len(z)) if j % n == i % n and j != i), key=torch.Tensor.item)
        share = shares([*near, *mine], steepness)
        right = torch.cat([share[: len(near), : len(near)].sum(1), share[len(near) :, len(near) :].sum(1)])
        total = total - right.log().mean()
    return total / len(z)


def test_loss_is_that_of_a_sort_written_out():
    step = step_of("groco", n=12)
    assert len(step.views()) == 4
    z = torch.cat([step.network(view) for view in step.views()])
    same(step, sorted_loss(z, 4, 10))


def test_steepness_is_what_it_is_tried_with():
    step = step_of(groco(2.0), DIGITS.parts(0)[0], n=4)
    z = torch.cat([step.network(view) for view in step.views()])
    same(step, sorted_loss(z, 4, 10, 2.0))


def test_the_baseline_takes_every_pair_of_views_against_all_views_of_the_others():
    step = step_of(softmax(), DIGITS.parts(0)[0])
    z = F.normalize(torch.cat([step.network(view) for view in step.views()]), dim=1)
    n, total, pairs = len(z) // 4, torch.zeros(()), 0
    for i in range(len(z)):
        s = z @ z[i] / 0.1
        others = torch.stack([s[j] for j in range(len(z)) if j % n != i % n])
        for j in range(len(z)):
            if j % n == i % n and j != i:
                total, pairs = total + torch.logaddexp(s[j], torch.logsumexp(others, 0)) - s[j], pairs + 1
    same(step, total / pairs)


def test_the_head_has_three_layers_with_batch_norm_of_one_view():
    step = step_of("groco")
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear", "BatchNorm1d"]
    assert step_of(softmax(), DIGITS.parts(0)[0]).layers() == step.layers()
    for z in step.calls[0]["queries"].z.chunk(4):
        torch.testing.assert_close(z.mean(0), torch.zeros(16), atol=1e-4, rtol=0)


def test_all_four_views_are_random():
    assert_random_views(step_of("groco"), "groco")


def test_one_positive_and_the_two_nearest_of_three_negatives_by_hand():
    q = Points(torch.tensor([[1.0, 0.0]]), sample=torch.tensor([0]))
    angles = torch.tensor([0.5, 0.2, 1.0, 2.0])
    k = Points(torch.stack([angles.cos(), angles.sin()], 1), sample=torch.tensor([0, 1, 1, 1]))
    p = shares(torch.tensor([math.cos(1.0), math.cos(0.2), math.cos(0.5)]))
    wanted = -(p[0, :2].sum().log() + p[1, :2].sum().log() + p[2, 2].log()) / 3
    assert GroCo(2, layout="one-way")(q, k).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_network_sorts_and_its_shares_are_doubly_stochastic():
    x = torch.randn(20, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hard = odd_even_sort(x, steepness=1e9)
    torch.testing.assert_close((hard * x[:, :, None]).sum(1), x.sort(1).values, rtol=1e-5, atol=1e-6)
    soft = odd_even_sort(x, steepness=1.0)
    for dim in (1, 2):
        torch.testing.assert_close(soft.sum(dim), torch.ones(20, 7, dtype=torch.float64))
