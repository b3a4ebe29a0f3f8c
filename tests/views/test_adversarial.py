"""The view along a gradient."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import StaticEncoder, lengths
from counterpoint.encoders.scratch import small_transformer
from counterpoint.views import fast_gradient

TEXTS = ["cats sleep", "a dog that is old barks", "rain"]


@pytest.fixture(scope="module")
def bert():
    return small_transformer(TEXTS, layers=1, width=16, heads=2, dropout=0.0, spread=0.3).double().eval()


def test_the_move_is_along_the_gradient_of_each_token(bert):
    features = bert.tokenize(TEXTS)
    weight = torch.randn(3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def loss(z):
        return (z * weight).sum()

    moved = fast_gradient(bert, features, loss, 0.5)
    shift = moved["shift"]
    torch.testing.assert_close(
        shift.norm(dim=1), torch.full((len(shift),), 0.5, dtype=shift.dtype), rtol=1e-4, atol=1e-4
    )
    assert all(p.grad is None for p in bert.parameters())
    assert not shift.requires_grad
    # by differences, token by token
    base, step = loss(bert(features)), 1e-4
    for token in (0, 2, 5):
        for sign in (1, -1):
            small = torch.zeros_like(shift)
            small[token] = sign * step * shift[token]
            assert (loss(bert({**features, "shift": small})) - base).item() * sign > 0
        away = torch.zeros_like(shift)
        other = torch.randn(16, dtype=shift.dtype, generator=torch.Generator().manual_seed(2))
        away[token] = step * (other - (other @ shift[token]) / 0.25 * shift[token])
        along = torch.zeros_like(shift)
        along[token] = step * shift[token]
        steep = (loss(bert({**features, "shift": along})) - base).item()
        assert abs((loss(bert({**features, "shift": away})) - base).item()) < 1e-2 * steep
    assert loss(bert(moved)) > base


def test_it_adds_to_an_earlier_move_and_leaves_what_the_loss_does_not_see():
    encoder = StaticEncoder.from_corpus(TEXTS, dim=4, normalize=False)
    features = encoder.tokenize(TEXTS)
    once = fast_gradient(encoder, features, lambda z: z[1].sum(), 1.0)
    text = torch.repeat_interleave(torch.arange(3), lengths(features))
    assert not once["shift"][text != 1].any()
    torch.testing.assert_close(once["shift"][text == 1], torch.full((int((text == 1).sum()), 4), 0.5))
    twice = fast_gradient(encoder, once, lambda z: z[1].sum(), 1.0)
    torch.testing.assert_close(twice["shift"], 2 * once["shift"])
