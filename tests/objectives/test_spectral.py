"""The spectral contrastive loss is a matrix factorisation: what HaoChen et al. 2021 prove of it."""

from __future__ import annotations

import torch

from counterpoint.objectives import Spectral
from counterpoint.points import Points
from counterpoint.relation import Relation, Rule, never


def graph(n=9, seed=0):
    """A symmetric joint distribution of positive pairs with uneven marginals."""
    g = torch.Generator().manual_seed(seed)
    weight = torch.rand(n, n, generator=g, dtype=torch.float64) ** 3
    weight = weight + weight.T
    return weight / weight.sum()


def loss_of(f, joint):
    """The expectation over the whole population: pairs weigh as in the joint, negatives as in the marginals."""
    marginal = joint.sum(1)
    rule = Rule(lambda q, k: joint[q["x"], k["x"]])
    others = Rule(lambda q, k: marginal[k["x"]])
    x = torch.arange(len(f))
    points = Points(f, x=x, weight=marginal)
    return Spectral(relation=Relation(rule, negative=others))(points, Points(f, x=x))


def test_loss_is_the_error_of_factoring_the_normalised_adjacency():
    """Lemma 3.2: |A - F F^T|^2 with rows sqrt(w_x) f(x), up to the constant |A|^2."""
    joint = graph()
    w = joint.sum(1)
    adjacency = joint / (w[:, None] * w).sqrt()
    for seed in range(3):
        f = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        scaled = w.sqrt()[:, None] * f
        wanted = (adjacency - scaled @ scaled.T).square().sum() - adjacency.square().sum()
        torch.testing.assert_close(loss_of(f, joint), wanted)


def test_its_minimum_is_spanned_by_the_top_eigenvectors():
    joint = graph()
    w = joint.sum(1)
    values, vectors = torch.linalg.eigh(joint / (w[:, None] * w).sqrt())
    top = vectors[:, -3:] * values[-3:].clamp_min(0).sqrt()
    best = (top / w.sqrt()[:, None]).requires_grad_()
    loss = loss_of(best, joint)
    assert torch.autograd.grad(loss, best)[0].abs().max() < 1e-10
    torch.testing.assert_close(loss.detach(), -values[-3:].square().sum())


def test_the_batch_form_is_the_authors():
    """Mean over i of z_i . z'_i and over i != j of (z_i . z'_j)^2, each pair of a batch once."""
    z, other = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = 0.0
    for i in range(6):
        total = total - 2 * (z[i] @ other[i]) / 6
        for j in range(6):
            if j != i:
                total = total + (z[i] @ other[j]) ** 2 / 30
    torch.testing.assert_close(Spectral()(z, other), total)


def test_with_every_pair_negative_a_positive_is_squared_too():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = z @ z.T
    wanted = -2 * scores.diagonal().mean() + scores.square().mean()
    torch.testing.assert_close(Spectral(relation=Relation(negative=~never))(z, z), wanted)
