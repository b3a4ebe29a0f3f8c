"""The bounds on correlated Gaussians, whose mutual information and best critic are known."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.objectives import JSD, NWJ, GaussianInformation, InfoNCE, objective
from counterpoint.points import Points

RHO, N = 0.8, 3000
INFORMATION = -0.5 * math.log(1 - RHO**2)


class LogRatio:
    """`log p(x, y) / (p(x) p(y))` of two Gaussians with correlation RHO, plus what is said."""

    def __init__(self, plus):
        self.plus = plus

    def prepare(self, z):
        return z

    def shared(self, q, k, scale):
        x, y = q[:, :1], k[:, 0]
        quadratic = (RHO**2 * (x**2 + y**2) - 2 * RHO * x * y) / (2 * (1 - RHO**2))
        return scale * (INFORMATION - quadratic + self.plus)


def pairs(n=N, seed=0):
    g = torch.Generator().manual_seed(seed)
    x, other = torch.randn(2, n, 1, generator=g, dtype=torch.float64)
    return x, RHO * x + (1 - RHO**2) ** 0.5 * other


def estimate(bound, x, y):
    return bound.guess(len(x), len(y)) - bound(x, y).item()


def test_with_the_best_critic_the_estimates_are_the_information():
    x, y = pairs()
    assert estimate(NWJ(geometry=LogRatio(1.0)), x, y) == pytest.approx(INFORMATION, abs=0.03)
    assert estimate(InfoNCE(1.0, geometry=LogRatio(0.0)), x, y) == pytest.approx(INFORMATION, abs=0.03)


def test_with_another_critic_they_are_less():
    x, y = pairs()
    for plus in (0.5, 1.5):
        assert estimate(NWJ(geometry=LogRatio(plus)), x, y) < INFORMATION - 0.08
    assert estimate(NWJ(geometry=LogRatio(1.0)), x, -y) < 0


def test_jsd_is_twice_the_divergence_of_the_joint_from_the_product():
    """By quadrature of p log 2p / (p + q) + q log 2q / (p + q)."""
    grid = torch.linspace(-6, 6, 601, dtype=torch.float64)
    a, b = grid[:, None], grid[None]
    q = torch.exp(-(a**2 + b**2) / 2) / (2 * math.pi)
    p = q * LogRatio(0.0).shared(grid[:, None], grid[:, None], 1.0).exp()
    step = float(grid[1] - grid[0]) ** 2
    wanted = float((p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log()).sum()) * step
    x, y = pairs()
    assert estimate(JSD(geometry=LogRatio(0.0)), x, y) == pytest.approx(wanted, abs=0.02)


def test_infonce_cannot_see_more_than_the_logarithm_of_the_batch_and_nwj_can():
    z = 30 * torch.eye(16, dtype=torch.float64)
    assert estimate(InfoNCE(1.0), z, z) <= math.log(16)
    # every query is told from all others: the product of the marginals never has the pair
    assert estimate(NWJ(), z, z) > 800


@pytest.mark.parametrize("name", ["infonce", "nwj", "jsd"])
def test_a_critic_that_knows_nothing_has_the_loss_that_is_guessed(name):
    bound = objective(name)
    bound.geometry = type("Constant", (LogRatio,), {"shared": lambda self, q, k, scale: torch.full((8, 8), self.plus)})(
        1.0 if name == "nwj" else 0.0
    )
    x = torch.zeros(8, 1)
    assert bound(x, x).item() == pytest.approx(bound.guess(8, 8), abs=1e-6)


def test_infonce_is_the_multi_class_k_pair_loss():
    """Section 4: `log(1 + sum_{j != i} exp(f(x_i, y_j) - f(x_i, y_i)))`, by hand and by a peer."""
    x, y = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = 0.0
    for i in range(7):
        f = [float(x[i] @ y[j]) for j in range(7)]
        total += math.log(1 + sum(math.exp(f[j] - f[i]) for j in range(7) if j != i)) / 7
    found = InfoNCE(1.0, geometry=type(NWJ().geometry)())(x, y).item()
    assert found == pytest.approx(total, rel=1e-9)
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="a peer")
    distances = pytest.importorskip("pytorch_metric_learning.distances", reason="a peer")
    peer = losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False))
    label = torch.arange(7)
    # the peer's pairs are the first two of each label, the first the anchor
    assert peer(torch.cat([x, y]), torch.cat([label, label])).item() == pytest.approx(total, rel=1e-6)


def test_information_of_gaussians_is_that_of_a_naive_loop():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(5, 7, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    scale = torch.tensor([1.0, 2.0, 0.5, 0.0, 3.0])
    centred = [z - z.mean(1, keepdim=True) for z in (x, y)]
    loss = GaussianInformation("scale")(
        Points(centred[0], sample=torch.arange(5), scale=scale), Points(centred[1], sample=torch.arange(5))
    )
    wanted = 0.0
    for a, b, s in zip(x, y, scale, strict=True):
        rho = torch.corrcoef(torch.stack([a, b]))[0, 1]
        wanted = wanted + s * torch.log(1 - rho**2) / 2 / 5
    torch.testing.assert_close(loss, wanted)
    for one, other in zip(torch.autograd.grad(loss, (x, y)), torch.autograd.grad(wanted, (x, y)), strict=True):
        torch.testing.assert_close(one, other)


def test_information_of_the_same_vectors_is_held_and_its_scale_must_be_there():
    z = torch.randn(3, 4, requires_grad=True)
    loss = GaussianInformation()(z, z)
    assert -9 < loss.item() < -5
    assert torch.autograd.grad(loss, z)[0].isfinite().all()
    with pytest.raises(InputError, match="scaled by the column"):
        GaussianInformation("scale")(z, z)
