"""HIB: the match probability over all pairs of draws, the loss on it, and the bottleneck in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.data.images import Images, digits
from counterpoint.errors import InputError
from counterpoint.objectives import HedgedMatch, SoftContrastive, StandardNormal
from counterpoint.points import Points
from counterpoint.systems.core.hib import occlude, uncertainty
from systems.stages import stage


def test_match_probability_is_the_mean_over_all_pairs_of_draws():
    torch.manual_seed(0)
    geometry = HedgedMatch(3, scale=2.0, bias=0.5).double()
    z = torch.randn(4, 6, dtype=torch.float64)
    q, k = geometry.prepare(z), geometry.prepare(z)
    assert not torch.allclose(q, k)
    shared = geometry.shared(q, k, 1.0).exp()
    for i in range(4):
        for j in range(4):
            draws = [
                1 / (1 + math.exp(2.0 * float((x - y).norm()) - 0.5)) for x in q[i].split(3) for y in k[j].split(3)
            ]
            assert shared[i, j].item() == pytest.approx(sum(draws) / 9, rel=1e-6)
    torch.testing.assert_close(geometry.owned(q, k[None].expand(4, -1, -1), 1.0).exp(), shared)


def test_draws_follow_mean_and_variance_with_their_gradients():
    torch.manual_seed(0)
    z = torch.tensor([[1.0, -2.0, 0.0, math.log(4.0)]], requires_grad=True)
    drawn = HedgedMatch(20_000).prepare(z).view(-1, 2)
    torch.testing.assert_close(drawn.mean(0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([1.0, 2.0]), atol=0.05, rtol=0)
    drawn.square().mean().backward()
    assert bool((z.grad.abs() > 0).all())


def test_loss_is_binary_cross_entropy_over_balanced_pairs():
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 1, 1, 1])
    z = torch.randn(5, 4, dtype=torch.float64)
    z[:, 2:] = -60  # no variance, so that draws are the means
    objective = SoftContrastive(geometry=HedgedMatch(2)).double()
    objective.relation = stage("hib").objective().objectives[0].relation
    p = torch.sigmoid(-torch.cdist(z[:, :2], z[:, :2]))
    total = 0.0
    for i in range(5):
        same = [j for j in range(5) if j != i and labels[j] == labels[i]]
        other = [j for j in range(5) if labels[j] != labels[i]]
        total += sum(-math.log(p[i, j]) for j in same) / len(same) + sum(-math.log(1 - p[i, j]) for j in other) / len(
            other
        )
    assert objective(Points(z, label=labels)).item() == pytest.approx(total / 5, rel=1e-6)


def test_bottleneck_is_the_divergence_of_torch():
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    mean, log_variance = z.chunk(2, 1)
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    assert StandardNormal()(z[:3], z[3:]).item() == pytest.approx(wanted.item(), rel=1e-5)
    with pytest.raises(InputError, match="no mean and variance"):
        HedgedMatch().prepare(torch.zeros(2, 3))


def test_occlusion_hides_one_half_of_some():
    torch.manual_seed(0)
    whole = digits().pixels
    pixels, hidden = occlude(whole)
    assert 0.4 < float(hidden.float().mean()) < 0.6
    assert torch.equal(pixels[~hidden], whole[~hidden])
    left = pixels[hidden].sum((1, 2, 3)) / whole[hidden].sum((1, 2, 3))
    assert 0.3 < float(left.mean()) < 0.7


class Fixed:
    """An encoder whose vectors are the points `(mean, log variance)` to be."""

    def encode(self, pixels):
        return pixels.flatten(1).numpy()


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (3.0, 2.0)])
def test_uncertainty_is_of_the_learned_match(scale, bias):
    z = torch.tensor([[0.5, -50.0], [0.5, 0.0], [0.5, 4.0]])  # on a line: no variance, 1 and e^4
    images = Images(z[:, None, None], torch.arange(3), "made")
    sure, fair, wild = uncertainty(Fixed(), torch.nn.Identity(), HedgedMatch(scale=scale, bias=bias), images)
    assert sure == pytest.approx(1 / (1 + math.exp(bias)), rel=1e-4)
    assert sure < fair < wild
