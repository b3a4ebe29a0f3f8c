"""W-MSE: whitened to unit covariance, by any whitening: the distance does not depend on the square root taken."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import WMSE, whiten
from counterpoint.systems.core.w_mse import contrastive, not_white, w_mse
from systems.views_of_digits import seen_by


def zca(z):
    centred = z - z.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / (len(z) - 1))
    return centred @ vectors @ torch.diag(values.rsqrt()) @ vectors.T


def test_loss_is_that_of_whitening_by_eigenvectors():
    # Cholesky's and the symmetric square root differ by a rotation, which lengths and angles do not see;
    # but each view has a rotation of its own, so the loss is compared for one and the same whitening
    g = torch.Generator().manual_seed(0)
    z = torch.randn(40, 5, generator=g, dtype=torch.float64) @ torch.randn(5, 5, generator=g, dtype=torch.float64)
    white = whiten(z)
    torch.testing.assert_close(white.T @ white / 39, torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(white @ white.T, zca(z) @ zca(z).T)
    other = z + 0.3 * torch.randn(40, 5, generator=g, dtype=torch.float64)
    left, right = (F.normalize(whiten(v), dim=1) for v in (z, other))
    assert WMSE()(z, other).item() == pytest.approx(float((2 - 2 * (left * right).sum(1)).mean()), rel=1e-9)


def test_directions_of_very_different_size_are_whitened_in_single_precision():
    g = torch.Generator().manual_seed(0)
    z = torch.randn(128, 3, generator=g) * torch.tensor([1.0, 1e-3, 1e-5])
    torch.testing.assert_close(whiten(z).T @ whiten(z) / 127, torch.eye(3), atol=1e-3, rtol=0)
    assert whiten(z).dtype == torch.float32


def test_slices_are_whitened_by_themselves_and_alike_in_both_views():
    g = torch.Generator().manual_seed(1)
    z = torch.randn(24, 3, generator=g, dtype=torch.float64)
    objective = WMSE(8)
    assert objective(z, z).item() == pytest.approx(0.0, abs=1e-12)
    other = z + 0.5 * torch.randn(24, 3, generator=g, dtype=torch.float64)
    first, again = WMSE(8)(z, other).item(), WMSE(8)(z, other).item()
    assert first == again != pytest.approx(WMSE()(z, other).item(), abs=1e-6)
    one = WMSE(8)
    one(z, other)
    assert one(z, other).item() != pytest.approx(first, abs=1e-9), "each call divides the batch anew"


def test_collapsed_vectors_are_refused_and_the_system_has_white_ones():
    with pytest.raises(InputError, match="singular"):
        whiten(torch.ones(10, 3))
    config, arguments, _ = seen_by("w-mse", n=128)
    assert arguments["queries"].z.shape[1] == 64
    assert 0 < config.objective()(**arguments).item() < 4


def test_the_head_has_batch_norm_in_its_hidden_layer_and_the_baselines_have_the_same_head():
    wanted = ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    for make in (w_mse, not_white, contrastive):
        assert [type(m).__name__ for m in make().stages[0].head(64)] == wanted
