"""Learned geometries: their scores by hand, the same in every way of execution, and learned with the objective."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.critics import Concatenated, Separable, bilinear
from counterpoint.geometry import Geometry
from counterpoint.heads import projection
from counterpoint.objectives import NWJ, InfoNCE
from counterpoint.points import Points

N, M, D = 6, 7, 4


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def critics():
    torch.manual_seed(0)
    made = {
        "bilinear": bilinear(D),
        "separable": Separable(projection(D, hidden=(5,), out=3), projection(D, hidden=(6,), out=3)),
        "concatenated": Concatenated(projection(2 * D, hidden=(8,), out=1)),
    }
    return {name: critic.double() for name, critic in made.items()}


def by_hand(name, critic, q, k):
    if name == "bilinear":
        return sum(k[i] * critic.queries.weight[i, j] * q[j] for i in range(D) for j in range(D))
    if name == "separable":
        return (critic.queries(q) * critic.keys(k)).sum()
    return critic.network(torch.cat([q, k]))[0]


@pytest.mark.parametrize("name", critics())
def test_scores(name):
    critic, q, k, own = critics()[name], normal(N, D), normal(M, D, seed=1), normal(N, 3, D, seed=2)
    assert isinstance(critic, Geometry)
    shared, owned = critic.shared(q, k, 0.5), critic.owned(q, own, 0.5)
    for i in range(N):
        for j in range(M):
            torch.testing.assert_close(shared[i, j], by_hand(name, critic, q[i], k[j]) / 2)
        for j in range(3):
            torch.testing.assert_close(owned[i, j], by_hand(name, critic, q[i], own[i, j]) / 2)


@pytest.mark.parametrize("make", [NWJ, lambda geometry: InfoNCE(0.5, geometry=geometry, layout="symmetric")])
@pytest.mark.parametrize("name", critics())
def test_blocked_is_dense_for_points_and_for_the_critic(name, make):
    results = []
    for block in (0, 1, 4):
        objective, q, k = make(geometry=critics()[name]), normal(N, D), normal(N, D, seed=1)
        loss = objective(q, k, block=block)
        wanted = [q, k, *objective.parameters()]
        assert len(wanted) > 2
        results.append((loss, *torch.autograd.grad(loss, wanted)))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])
    assert all(g.norm() > 0 for g in results[0][1:])


def test_owned_keys_of_a_learned_geometry():
    critic, q, own = critics()["separable"], normal(N, D), normal(N, 3, D, seed=2)
    positive = torch.tensor([1.0, 0, 0]).expand(N, 3)
    loss = InfoNCE(1.0, geometry=critic)(q, owned=Points(own, positive=positive))
    scores = torch.stack(
        [torch.stack([by_hand("separable", critic, q[i], own[i, j]) for j in range(3)]) for i in range(N)]
    )
    torch.testing.assert_close(loss, nn.functional.cross_entropy(scores, torch.zeros(N, dtype=torch.long)))
