"""GroCo: a sorting network written out for three entries, and which entries it is given."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from counterpoint.evaluate.geometry import mean_cosine
from counterpoint.objectives import GroCo, odd_even_sort
from counterpoint.points import Points
from counterpoint.systems.core._digits import halves, trained
from counterpoint.systems.core._recipes import perceptron
from counterpoint.systems.core._versus import projected
from counterpoint.systems.core.groco import groco
from counterpoint.systems.core.simclr import plain
from systems.views_of_digits import seen_by


def stay(a, b, steepness=1.0):
    return math.atan(steepness * (b - a)) / math.pi + 0.5


def three(x, steepness=1.0):
    """Layers (0 1), (1 2), (0 1) of an odd-even network, entry by entry."""
    x, p = list(x), [[1.0 if i == j else 0.0 for j in range(3)] for i in range(3)]
    for left in (0, 1, 0):
        a = stay(x[left], x[left + 1], steepness)
        x[left], x[left + 1] = a * x[left] + (1 - a) * x[left + 1], (1 - a) * x[left] + a * x[left + 1]
        for row in p:
            row[left], row[left + 1] = (
                a * row[left] + (1 - a) * row[left + 1],
                (1 - a) * row[left] + a * row[left + 1],
            )
    return p


def test_loss_is_that_of_a_sort_written_out():
    # one positive, and the two nearest of three negatives
    q = Points(torch.tensor([[1.0, 0.0]]), sample=torch.tensor([0]))
    angles = torch.tensor([0.5, 0.2, 1.0, 2.0])
    k = Points(torch.stack([angles.cos(), angles.sin()], 1), sample=torch.tensor([0, 1, 1, 1]))
    p = three([math.cos(1.0), math.cos(0.2), math.cos(0.5)])
    wanted = -(math.log(p[0][0] + p[0][1]) + math.log(p[1][0] + p[1][1]) + math.log(p[2][2])) / 3
    assert GroCo(2, layout="one-way")(q, k).item() == pytest.approx(wanted, rel=1e-5)


def test_network_sorts_and_its_shares_are_doubly_stochastic():
    x = torch.randn(20, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hard = odd_even_sort(x, steepness=1e9)
    torch.testing.assert_close((hard * x[:, :, None]).sum(1), x.sort(1).values, rtol=1e-5, atol=1e-6)
    soft = odd_even_sort(x, steepness=1.0)
    for dim in (1, 2):
        torch.testing.assert_close(soft.sum(dim), torch.ones(20, 7, dtype=torch.float64))


def test_no_gradient_reaches_the_keys():
    q, k = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    GroCo(2, layout="one-way")(q, k).backward()
    assert q.grad.abs().sum() > 0
    assert k.grad is None


def test_the_system_contrasts_views_of_one_number_only():
    config, arguments, z = seen_by("groco", n=12)
    columns, total = arguments["queries"].columns, 0.0
    samples, views = columns["sample"].tolist(), columns["view"].tolist()
    for i in range(len(z)):
        s = (z[i] @ z.T).tolist()
        near = sorted(s[k] for k in range(len(z)) if views[k] == views[i] and samples[k] != samples[i])[-10:]
        mine = sorted(s[k] for k in range(len(z)) if k != i and samples[k] == samples[i])
        share = odd_even_sort(torch.tensor([near + mine]))[0]
        right = [float(share[j, :10].sum()) for j in range(10)] + [float(share[j, 10:].sum()) for j in range(10, 13)]
        total -= sum(map(math.log, right)) / 13
    assert config.objective()(**arguments).item() == pytest.approx(total / len(z), rel=1e-3)


def test_training_spreads_the_vectors_which_collapse_without_batch_statistics():
    cosine = {}
    for name, head in {"theirs": groco().stages[0].head, "plain": plain().stages[0].head}.items():
        train = replace(groco().stages[0].train, batch_size=48, steps=25)
        model, made = trained(groco().varied(name, head=head, train=train, start=perceptron), halves(0)[0], 0)
        cosine[name] = mean_cosine(projected(model, made, halves(0)[1]))
        assert model.collapsed == "" or name == "plain"
    assert cosine["theirs"] < 0.3
    assert cosine["plain"] > 0.9
