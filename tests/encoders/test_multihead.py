"""Pooling by attention, against a loop over heads and tokens."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import AttentionPoolingEncoder, StaticEncoder, load
from counterpoint.encoders.features import take
from counterpoint.encoders.multihead import attending
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXTS = ["red shoes", "light shoes for runners", "for red runners and others", "a cat"]


def table(**options) -> StaticEncoder:
    return StaticEncoder.from_corpus(TEXTS, dim=8, prompts={}, **options)


def bert():
    return small_transformer(TEXTS, layers=1, width=8, heads=2, dropout=0.0, spread=0.5)


def by_hand(encoder: AttentionPoolingEncoder, states: torch.Tensor) -> torch.Tensor:
    """One text's vector of its tokens' states, a head and a token at a time."""
    seed, size = encoder.seed[0], encoder.width // encoder.heads
    asked = F.linear(seed, encoder.asks.weight, encoder.asks.bias)
    parts = []
    for h in range(encoder.heads):
        own = slice(h * size, (h + 1) * size)
        keys = [F.linear(x, encoder.keys.weight, encoder.keys.bias)[own] for x in states]
        values = [F.linear(x, encoder.values.weight, encoder.values.bias)[own] for x in states]
        scores = torch.stack([asked[own] @ key / math.sqrt(encoder.width) for key in keys])
        weight = scores.exp() / scores.exp().sum()
        parts.append(sum(w * value for w, value in zip(weight, values, strict=True)))
    u = seed + torch.cat(parts)
    u = (u - u.mean()) / (u.var(correction=0) + 1e-5).sqrt() * encoder.first.weight + encoder.first.bias
    z = u + F.relu(F.linear(u, encoder.mixes.weight, encoder.mixes.bias))
    return (z - z.mean()) / (z.var(correction=0) + 1e-5).sqrt() * encoder.last.weight + encoder.last.bias


@pytest.mark.parametrize("make", [table, bert])
def test_a_vector_is_what_the_seed_attends_to(make):
    torch.manual_seed(0)
    encoder = AttentionPoolingEncoder(make(), 4)
    for norm in (encoder.first, encoder.last):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    features = encoder.tokenize(TEXTS)
    wanted = []
    for i in range(len(TEXTS)):
        one = take(features, [i])
        inner = encoder.encoder
        states = inner._hidden(one) if make is bert else inner.embedding(one["input_ids"])
        if make is table and inner.log_weight is not None:
            states = states * inner.log_weight[one["input_ids"]].exp()[:, None]
        wanted.append(by_hand(encoder, states))
    z, wanted, weight = encoder(features), torch.stack(wanted), torch.randn(4, 8)
    torch.testing.assert_close(z, wanted, rtol=1e-4, atol=1e-5)
    parameters = list(encoder.parameters())
    sides = [torch.autograd.grad((v * weight).sum(), parameters, allow_unused=True) for v in (z, wanted)]
    for found, expected in zip(*sides, strict=True):
        if expected is not None:
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert all(found is not None and found.any() for found in sides[0][:1])
    torch.testing.assert_close(encoder(take(features, [2, 0])), z[[2, 0]])


def test_texts_without_tokens_have_a_vector():
    encoder = AttentionPoolingEncoder(table(), 2)
    assert bool(torch.from_numpy(encoder.encode(["", "a cat"])).isfinite().all())
    assert encoder.encode([]).shape == (0, 8)


def test_in_half_precision_it_attends_to_the_same():
    encoder = AttentionPoolingEncoder(table(), 2)
    features = encoder.tokenize(TEXTS)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        low = encoder(features)
    torch.testing.assert_close(low.float(), encoder(features).detach(), rtol=0.1, atol=0.1)


def test_it_is_saved_and_loaded_and_stays_what_it_is(tmp_path):
    encoder = attending(table(), 2)
    assert attending(encoder) is encoder
    assert (encoder.heads, attending(table(), 32).heads, attending(table(), 3).heads) == (2, 8, 2)
    assert (encoder.similarity, encoder.normalize) == ("dot", False)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    torch.testing.assert_close(torch.from_numpy(again.encode(TEXTS)), torch.from_numpy(encoder.encode(TEXTS)))


def test_what_makes_no_sense_is_refused():
    for heads in (0, 3):
        with pytest.raises(InputError, match="give a number that divides"):
            AttentionPoolingEncoder(table(), heads)
    with pytest.raises(InputError, match="without states of tokens"):
        AttentionPoolingEncoder(attending(table(), 2))
    with pytest.raises(InputError, match="without states of tokens"):
        attending(torch.nn.Identity())


def test_the_seed_begins_as_theirs():
    """As a tensor `(1, 1, d)` by Glorot and Bengio's rule, for which `d` is in and out."""
    torch.manual_seed(0)
    table = StaticEncoder.from_corpus(["a cat", "two red dogs"], dim=512, prompts={})
    seed = AttentionPoolingEncoder(table, 8).seed
    assert (3 / 512) ** 0.5 * 0.98 < float(seed.detach().abs().max()) < (3 / 512) ** 0.5
