"""Whitening in groups: an independent reference, the gradient, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.heads import GroupWhitening


def reference(x, order, size):
    """Group after group, by scipy's root of a matrix."""
    from scipy.linalg import fractional_matrix_power

    out = np.zeros_like(x)
    for start in range(0, x.shape[1], size):
        dims = order[start : start + size]
        part = x[:, dims] - x[:, dims].mean(0)
        out[:, dims] = part @ fractional_matrix_power(part.T @ part / len(x), -0.5)
    return out


@given(st.sampled_from([(30, 6, 2), (30, 6, 3), (30, 6, 6), (12, 4, 1)]), st.integers(0, 99))
def test_it_is_the_inverse_root_of_each_group_s_covariance(shape, seed):
    n, d, size = shape
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) + 3
    torch.manual_seed(seed)
    order = torch.randperm(d).numpy()
    torch.manual_seed(seed)
    found = GroupWhitening(size)(x)
    np.testing.assert_allclose(found.numpy(), reference(x.double().numpy(), order, size), rtol=1e-2, atol=1e-3)


def test_groups_are_drawn_anew_and_the_matrix_has_no_gradient():
    torch.manual_seed(0)
    x = (torch.randn(40, 6) @ torch.randn(6, 6)).requires_grad_()
    layer = GroupWhitening(3)
    first, second = layer(x), layer(x)
    assert not torch.allclose(first, second, atol=1e-3)
    torch.manual_seed(5)
    loss = (GroupWhitening(6)(x) * torch.arange(6.0)).square().sum()
    (gradient,) = torch.autograd.grad(loss, x)
    centred = x.detach() - x.detach().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / 40)
    matrix = (vectors * values.rsqrt()) @ vectors.T
    # a constant map of centred vectors
    upstream = 2 * (centred @ matrix) * torch.arange(6.0).square()
    wanted = upstream @ matrix.T
    torch.testing.assert_close(gradient, wanted - wanted.mean(0), rtol=1e-3, atol=1e-3)


def test_what_cannot_be_whitened_is_refused():
    with pytest.raises(InputError, match="groups of 0 dimensions"):
        GroupWhitening(0)
    with pytest.raises(InputError, match="5 dimensions are no groups of 2"):
        GroupWhitening(2)(torch.randn(9, 5))
    for rows in (torch.randn(3, 4), torch.ones(9, 4)):
        with pytest.raises(InputError, match=r"cannot be whitened in groups of 4: .*singular"):
            GroupWhitening(4)(rows)
