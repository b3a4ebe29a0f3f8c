"""The invertible encoder: inverted, a bijection, the identity at first."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders.invertible import Invertible
from counterpoint.errors import InputError


def scrambled(width, layers=5):
    torch.manual_seed(0)
    encoder = Invertible(width, hidden=16, layers=layers).double()
    for p in encoder.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return encoder


@pytest.mark.parametrize("width", [2, 5, 8])
def test_inverse(width):
    encoder, x = scrambled(width), torch.randn(20, width, dtype=torch.float64)
    y = encoder(x)
    assert (y - x).abs().mean() > 0.1
    torch.testing.assert_close(encoder.inverse(y), x)
    torch.testing.assert_close(encoder(encoder.inverse(x)), x)


def test_every_dimension_reaches_every_other_and_the_jacobian_is_never_singular():
    encoder, x = scrambled(6), torch.randn(6, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: encoder(v[None])[0], x)
    assert (jacobian.abs() > 1e-9).all()
    assert jacobian.det().abs() > 1e-6


def test_one_layer_keeps_half_and_scales_and_shifts_the_rest():
    encoder, x = scrambled(4, layers=1), torch.randn(3, 4, dtype=torch.float64)
    scale, shift = encoder.networks[0](torch.cat([x[:, :2], torch.zeros(3, 2)], 1)).chunk(2, 1)
    wanted = torch.cat([x[:, :2], x[:, 2:] * torch.tanh(scale[:, 2:]).exp() + shift[:, 2:]], 1)
    torch.testing.assert_close(encoder(x), wanted)


def test_starts_as_the_identity_and_learns():
    encoder, x = Invertible(6), torch.randn(3, 6)
    assert torch.equal(encoder(x), x)
    encoder(x).square().sum().backward()
    assert any(p.grad is not None and p.grad.norm() > 0 for p in encoder.parameters())


def test_refused():
    with pytest.raises(InputError, match="no two halves"):
        Invertible(1)
