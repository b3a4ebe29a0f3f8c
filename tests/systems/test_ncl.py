"""NCL: the projection is not negative, and the spectral form is symmetric non-negative matrix factorisation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.heads import NonNegative
from systems.views_of_digits import seen_by


def test_spectral_loss_is_non_negative_matrix_factorisation():
    # theorem 1: |A - F F'|^2 = spectral loss + constant, A the normalised co-occurrence of views, F = sqrt(d_x) f(x)
    g = torch.Generator().manual_seed(0)
    joint = torch.rand(5, 5, generator=g, dtype=torch.float64)
    joint = (joint + joint.T) / (joint + joint.T).sum()
    marginal = joint.sum(0)
    normalised = joint / (marginal[:, None] * marginal[None]).sqrt()
    for seed in range(3):
        f = NonNegative()(torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
        assert float(f.min()) >= 0
        factor = marginal.sqrt()[:, None] * f
        s = f @ f.T
        spectral = -2 * (joint * s).sum() + (marginal[:, None] * marginal[None] * s.square()).sum()
        whole = (normalised - factor @ factor.T).square().sum()
        assert float(whole - spectral) == pytest.approx(float(normalised.square().sum()), rel=1e-12)


def test_loss_is_nt_xent_of_features_that_are_not_negative():
    config, arguments, z = seen_by("ncl")
    assert float(z.min()) >= 0
    assert float((z == 0).double().mean()) > 0.2
    n, total = len(z) // 2, 0.0
    for i in range(2 * n):
        s = {k: float(z[i] @ z[k]) / 0.5 for k in range(2 * n) if k != i}
        total -= s[(i + n) % (2 * n)] - math.log(sum(map(math.exp, s.values())))
    assert config.objective()(**arguments).item() == pytest.approx(total / (2 * n), rel=1e-4)


def test_reparameterised_relu_has_the_value_of_one_and_the_gradient_of_the_other():
    x = torch.linspace(-3, 3, 13, requires_grad=True)
    y = NonNegative(smooth=True)(x)
    torch.testing.assert_close(y, F.relu(x))
    (found,) = torch.autograd.grad(y.sum(), x)
    (wanted,) = torch.autograd.grad(F.gelu(x).sum(), x)
    torch.testing.assert_close(found, wanted)
    assert float(found[2].abs()) > 0
