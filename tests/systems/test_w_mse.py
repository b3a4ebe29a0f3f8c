"""W-MSE: whitened to unit covariance, by any whitening: the distance does not depend on the square root taken."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import WMSE, whiten
from counterpoint.systems.core.w_mse import contrastive, not_white
from counterpoint.testbeds import DIGITS
from systems.remembered import assert_random_views
from systems.through import same, step_of


def zca(z):
    centred = z - z.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / (len(z) - 1))
    return centred @ vectors @ torch.diag(values.rsqrt()) @ vectors.T


def triangular(z):
    """Equation 8 with the inverse of the factor itself."""
    centred = z - z.mean(0)
    return centred @ torch.linalg.cholesky(centred.T @ centred / (len(z) - 1)).inverse().T


def halves(n):
    """The first division of a batch that the loss draws for itself."""
    seed = int(torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(0)))
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).split(128)


@pytest.mark.parametrize(("name", "views"), [("w-mse", 2), ("w-mse-4", 4)])
def test_loss_in_training_is_the_distance_of_every_pair_after_whitening_in_slices(name, views):
    step = step_of(name, n=256)
    z = step.network(step.payload.inputs).double().chunk(views)
    assert len(step.views()) == views
    total, pairs = torch.zeros((), dtype=torch.float64), 0
    for rows in halves(256):
        white = [F.normalize(triangular(view[rows]), dim=1) for view in z]
        for i in range(views):
            for j in range(i):
                total, pairs = total + (white[i] - white[j]).square().sum(), pairs + len(rows)
    same(step, total / pairs)


def test_loss_is_that_of_whitening_by_eigenvectors():
    # Cholesky's and the symmetric square root differ by a rotation, which lengths and angles do not see;
    # but each view has a rotation of its own, so the loss is compared for one and the same whitening
    g = torch.Generator().manual_seed(0)
    z = torch.randn(40, 5, generator=g, dtype=torch.float64) @ torch.randn(5, 5, generator=g, dtype=torch.float64)
    white = whiten(z)
    torch.testing.assert_close(white.T @ white / 39, torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(white @ white.T, zca(z) @ zca(z).T)
    torch.testing.assert_close(white, triangular(z))
    other = z + 0.3 * torch.randn(40, 5, generator=g, dtype=torch.float64)
    left, right = (F.normalize(whiten(v), dim=1) for v in (z, other))
    assert WMSE()(z, other).item() == pytest.approx(float((2 - 2 * (left * right).sum(1)).mean()), rel=1e-9)


def test_directions_of_very_different_size_are_whitened_in_single_precision():
    g = torch.Generator().manual_seed(0)
    z = torch.randn(128, 3, generator=g) * torch.tensor([1.0, 1e-3, 1e-5])
    torch.testing.assert_close(whiten(z).T @ whiten(z) / 127, torch.eye(3), atol=1e-3, rtol=0)
    assert whiten(z).dtype == torch.float32


def test_each_call_divides_the_batch_anew_and_both_views_alike():
    g = torch.Generator().manual_seed(1)
    z = torch.randn(24, 3, generator=g, dtype=torch.float64)
    assert WMSE(8)(z, z).item() == pytest.approx(0.0, abs=1e-12)
    other = z + 0.5 * torch.randn(24, 3, generator=g, dtype=torch.float64)
    one = WMSE(8)
    assert one(z, other).item() != pytest.approx(one(z, other).item(), abs=1e-9)


def test_collapsed_vectors_are_refused():
    with pytest.raises(InputError, match="singular"):
        whiten(torch.ones(10, 3))


def test_without_whitening_it_is_the_distance_of_unit_vectors():
    step = step_of(not_white(), DIGITS.parts(0)[0])
    same(step, (F.normalize(step.z()[0], dim=1) - F.normalize(step.z()[1], dim=1)).square().sum(1).mean())


def test_the_head_has_batch_norm_in_its_hidden_layer_and_the_baselines_have_the_same_head():
    for name in ("w-mse", "w-mse-4", not_white(), contrastive()):
        step = step_of(name, DIGITS.parts(0)[0], n=128)
        assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
        assert [step.network[1][i].out_features for i in (0, -1)] == [1024, 64]


def test_all_views_are_random():
    assert_random_views(step_of("w-mse", n=128), "w-mse")
    assert_random_views(step_of("w-mse-4", n=128), "w-mse-4")
