"""HIB: the match probability over all pairs of draws, the loss on it, and the bottleneck in closed form."""

from __future__ import annotations

import math
from unittest.mock import patch

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.objectives import HedgedMatch, SoftContrastive
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core.hib import points_only
from counterpoint.testbeds.two_digits import TWO_DIGITS, perceptron
from systems.through import same, step_of

DIM, DRAWS = 4, 8


def step_on(method, **options):
    """With draws that are kept; labels so that each has a match and none."""
    data = TWO_DIGITS.parts(0)[0][torch.arange(8)]
    data.columns["label"].copy_(torch.arange(8) % 3)
    drawn, randn = [], torch.randn

    def kept(*shape, **more):
        drawn.append(randn(*shape, **more))
        return drawn[-1]

    with patch("counterpoint.objectives.hedged.torch.randn", kept):
        return step_of(method, data, encoder=perceptron(data, 0), **options), drawn


def labels(step):
    (call,) = step.calls
    return torch.cat([call[side].columns["label"] for side in ("queries", "keys")]).tolist()


def entropy(p, y):
    """Binary cross-entropy of matches, positives and negatives of each alike."""
    total = torch.zeros(())
    for i in range(len(y)):
        match = [-p[i, j].log() for j in range(len(y)) if j != i and y[j] == y[i]]
        other = [-(1 - p[i, j]).log() for j in range(len(y)) if y[j] != y[i]]
        total = total + torch.stack(match).mean() + torch.stack(other).mean()
    return total / len(y)


def test_loss_is_that_of_a_naive_loop_over_all_pairs_of_draws():
    step, drawn = step_on("HIB")
    z, y = torch.cat(step.z()), labels(step)
    mean, log_variance = z[:, :DIM], z[:, DIM:]
    noise = torch.cat(drawn)  # of each side once
    assert noise.shape == (len(y), DRAWS, DIM)
    points = mean[:, None] + (log_variance / 2).exp()[:, None] * noise
    p = torch.zeros(len(y), len(y))
    for k in range(DRAWS):
        for m in range(DRAWS):
            square = (points[:, None, k] - points[None, :, m]).square().sum(2)
            p = p + torch.sigmoid(2 - 10 * (square + 1e-12).sqrt()) / DRAWS**2
    bottleneck = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
    same(step, entropy(p, y) + 1e-2 * bottleneck, rtol=1e-3)


def test_the_baseline_is_the_same_loss_on_points():
    step, drawn = step_on(points_only())
    assert not drawn
    z, y = torch.cat(step.z()), labels(step)
    assert z.shape[1] == DIM
    same(step, entropy(torch.sigmoid(2 - 10 * ((z[:, None] - z).square().sum(2) + 1e-12).sqrt()), y), rtol=1e-3)


def test_the_bottleneck_and_the_scale_have_a_part_in_what_is_learned():
    step, _ = step_on("HIB")
    (geometry,) = (m for m in step.objective.modules() if isinstance(m, HedgedMatch))
    assert (geometry.log_scale.exp().item(), geometry.bias.item()) == (pytest.approx(10.0), 2.0)
    objective = get("HIB").method().stages[0].objective().double()
    (match,) = (m for m in objective.modules() if isinstance(m, SoftContrastive))
    z = torch.randn(12, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    columns = {"sample": torch.arange(6), "label": torch.arange(6) % 2}
    sides = [Points(part, columns) for part in z.split(6)]
    found = []
    for one in (objective, match):
        torch.manual_seed(0)
        found.append(one(*sides).item())
    mean, log_variance = z.chunk(2, 1)
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    assert found[0] - found[1] == pytest.approx(1e-2 * wanted.item(), rel=1e-6)


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
    with pytest.raises(InputError, match="no mean and variance"):
        HedgedMatch().prepare(torch.zeros(2, 3))
    with pytest.raises(InputError, match="-1 draws"):
        HedgedMatch(-1)


def test_variance_begins_low_and_views_hide_parts_of_digits():
    step, _ = step_on("HIB")
    z = torch.cat(step.z())
    assert step.layers() == ["Linear"]
    assert float(z[:, DIM:].detach().mean()) == pytest.approx(-4.0, abs=0.5)
    first, second = step.views()
    plain = TWO_DIGITS.parts(0)[0].anchors.tensor[:8]
    lost = [view != plain[[row_of(v, plain) for v in view]] for view in (first, second)]
    assert any(bool(part.any()) for part in lost)
    assert not any(bool(view[part].any()) for view, part in zip((first, second), lost, strict=True))


def row_of(view, plain):
    """Of which picture a view is: what is left of it is the picture's."""
    return next(i for i in range(len(plain)) if bool(((view == plain[i]) | (view == 0)).all()))
