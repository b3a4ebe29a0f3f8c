"""GradCache: chunks without graphs, the loss on all, chunks again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.engine import cached
from counterpoint.objectives import InfoNCE, Sigmoid


def model(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 4)).double()


def chunks_of(net, x, size):
    return [lambda part=part: net(part) for part in x.split(size)]


def gradients(net, *more):
    return [p.grad.clone() for p in (*net.parameters(), *more)]


X = torch.randn(10, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [1, 3, 5, 10])
def test_the_gradient_of_one_piece(size):
    def loss(z):
        return objective(z[:5], z[5:], block=2)

    objective, net = Sigmoid().double(), model()
    loss(net(X)).backward()
    wanted = gradients(net, *objective.parameters())
    objective, net = Sigmoid().double(), model()
    total = cached(chunks_of(net, X, size), loss)
    assert not total.requires_grad
    for a, b in zip(gradients(net, *objective.parameters()), wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("size", [1, 4, 10])
def test_dropout_is_replayed(size):
    """The second encoding draws the numbers of the first: the gradient is that of one graph over the same chunks."""

    def loss(z):
        return InfoNCE(0.3)(z[:5], z[5:])

    net = model(0.5)
    torch.manual_seed(3)
    loss(torch.cat([chunk() for chunk in chunks_of(net, X, size)])).backward()
    wanted, after = gradients(net), torch.rand(3)
    net = model(0.5)
    torch.manual_seed(3)
    cached(chunks_of(net, X, size), loss)
    for a, b in zip(gradients(net), wanted, strict=True):
        torch.testing.assert_close(a, b)
    # and what is drawn afterwards goes on where it was
    assert torch.equal(torch.rand(3), after)


def test_gradients_are_added():
    net = model()
    loss = InfoNCE(0.3)
    for _ in range(2):
        cached(chunks_of(net, X, 3), lambda z: loss(z[:5], z[5:]))
    twice = gradients(net)
    net.zero_grad()
    cached(chunks_of(net, X, 3), lambda z: loss(z[:5], z[5:]))
    for a, b in zip(twice, gradients(net), strict=True):
        torch.testing.assert_close(a, 2 * b)


def test_autocast_inside_or_around():
    """bf16 encoding; a cast kept from the pass without a graph must not cut the gradient of the second."""

    def autocast():
        return torch.autocast("cpu", dtype=torch.bfloat16)

    x = X.float()
    found = []
    for way in ("plain", "inside", "around"):
        net = model().float()

        def loss(z):
            return InfoNCE(0.3)(z[:5].float(), z[5:].float())

        if way == "inside":
            cached(chunks_of(net, x, 2), loss, context=autocast)
        elif way == "around":
            with autocast():
                cached(chunks_of(net, x, 2), loss)
        else:
            with autocast():
                z = net(x)
            loss(z).backward()
        found.append(torch.cat([g.reshape(-1) for g in gradients(net)]))
    for other in found[1:]:
        assert float((other - found[0]).norm() / found[0].norm()) < 0.03
        assert found[0].norm() > 0


def test_frozen_encoder():
    """Only the loss learns."""
    net = model().requires_grad_(False)
    objective = Sigmoid().double()
    cached(chunks_of(net, X, 3), lambda z: objective(z[:5], z[5:]))
    assert objective.bias.grad.abs() > 0
    assert all(p.grad is None for p in net.parameters())


def test_a_loss_without_gradient():
    net = model()
    assert cached(chunks_of(net, X, 3), lambda z: z.detach().sum()).ndim == 0
    assert all(p.grad is None for p in net.parameters())
