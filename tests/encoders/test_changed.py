"""What a view may change of single tokens, in both kinds of encoders."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.encoders import StaticEncoder, TransformerEncoder, concat, lengths, take
from counterpoint.encoders.features import changed, from_ids, places
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXTS = ["a small corpus", "of two texts", "small texts of a corpus of two", "a"]


@pytest.fixture(scope="module")
def bert():
    return small_transformer(TEXTS, layers=2, width=16, heads=2, spread=0.3, seed=1).eval()


@pytest.fixture(scope="module")
def table():
    return StaticEncoder.from_corpus(TEXTS, dim=6, normalize=False)


def by_hand(encoder, embedded, position=None):
    """The mean state of one text from what leaves the embedding layer."""
    out = embedded
    for layer in encoder.model.encoder.layer:
        out = layer(out)
        out = out[0] if isinstance(out, tuple) else out
    return torch.nn.functional.normalize(out[0].mean(0), dim=0)


def embedded(encoder, ids, places):
    return encoder.model.embeddings(input_ids=ids[None], position_ids=places[None])


@pytest.mark.parametrize("packed", [True, False])
def test_a_transformer_sees_places_and_changed_embeddings(bert, packed, monkeypatch):
    if not packed:
        monkeypatch.setattr("counterpoint.encoders.transformer.LONGEST_PACKED", 0)
    torch.manual_seed(0)
    features = bert.tokenize(TEXTS)
    t = len(features["input_ids"])
    features["position_ids"] = torch.randint(0, 20, (t,))
    features["scale"] = torch.rand(t, 16) < 0.7
    features["shift"] = torch.randn(t, 16)
    z = bert(features)
    for i in range(len(TEXTS)):
        one = take(features, [i])
        e = embedded(bert, one["input_ids"], one["position_ids"]) * one["scale"] + one["shift"]
        torch.testing.assert_close(z[i], by_hand(bert, e), rtol=1e-4, atol=1e-5)


def test_a_table_sees_changed_vectors_and_no_places(table):
    torch.manual_seed(0)
    table.log_weight = torch.nn.Parameter(torch.randn(len(table.embedding.weight)))
    features = table.tokenize(TEXTS)
    t = len(features["input_ids"])
    features |= {"scale": torch.rand(t, 6) < 0.5, "shift": torch.randn(t, 6)}
    z = table(features)
    for i in range(len(TEXTS)):
        one = take(features, [i])
        ids = one["input_ids"]
        e = table.embedding.weight[ids] * table.log_weight[ids].exp()[:, None] * one["scale"] + one["shift"]
        torch.testing.assert_close(z[i], e.mean(0))
    assert torch.equal(table({**features, "position_ids": places(features).flip(0)}), z)
    table.log_weight = None


@pytest.mark.parametrize("name", ["bert", "table"])
def test_changing_nothing_changes_nothing(name, request):
    encoder = request.getfixturevalue(name)
    features = encoder.tokenize(TEXTS)
    ones = torch.ones(len(features["input_ids"]), encoder.token_dim)
    plain = {"scale": ones.bool(), "shift": 0 * ones, "position_ids": places(features)}
    own = {**features, **plain, "dropout": torch.full((len(TEXTS),), -1.0)}
    torch.testing.assert_close(encoder(own), encoder(features), rtol=1e-4, atol=1e-6)


def test_rates_of_dropout_are_the_texts_own(bert):
    bert.train()
    try:
        features = bert.tokenize(TEXTS)
        own = {**features, "dropout": torch.tensor([0.0, -1.0, 0.0, 0.9])}
        torch.manual_seed(0)
        z = bert(own)
        assert {part.p for part in bert.modules() if isinstance(part, torch.nn.Dropout)} == {0.1}
        still = bert.eval()(features)
        bert.train()
        torch.testing.assert_close(z[[0, 2]], still[[0, 2]], rtol=1e-4, atol=1e-6)
        spread = torch.stack([bert({**own, "dropout": torch.full((4,), p)}) - still for p in (0.05, 0.5)])
        small, large = spread.norm(dim=(1, 2)).tolist()
        assert 0 < small < large
        assert not torch.allclose(z[[1, 3]], still[[1, 3]], atol=1e-3)
    finally:
        bert.eval()


def test_gradients_reach_every_text_whatever_its_rate(bert):
    features = bert.tokenize(TEXTS)
    weight = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    gradients = []
    for extra in ({}, {"dropout": torch.tensor([0.0, -1.0, 0.3, 0.0])}):
        bert.zero_grad()
        (bert({**features, **extra}) * weight).sum().backward()
        gradients.append(bert.model.embeddings.word_embeddings.weight.grad.clone())
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@settings(max_examples=30)
@given(data=st.data())
def test_rows_of_changed_texts_go_together(data):
    ids = data.draw(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=2, max_size=6))
    half = len(ids) // 2
    one, other = from_ids(ids[:half]), from_ids(ids[half:])
    t = len(other["input_ids"])
    other |= {"position_ids": torch.arange(t), "scale": torch.rand(t, 2) < 0.5, "shift": torch.rand(t, 2)}
    other["dropout"] = torch.rand(len(ids) - half)
    for parts in ((one, other), (other, one)):
        whole = concat(parts)
        start = 0
        for part in parts:
            rows = torch.arange(start, start + len(lengths(part)))
            back, start = take(whole, rows), start + len(rows)
            plain = "scale" not in part
            assert torch.equal(back["position_ids"], places(part) if plain else part["position_ids"])
            assert bool(back["scale"].all()) if plain else torch.equal(back["scale"], part["scale"])
            assert bool((back["shift"] == 0).all()) if plain else torch.equal(back["shift"], part["shift"])
            assert bool((back["dropout"] == -1).all()) if plain else torch.equal(back["dropout"], part["dropout"])
            assert torch.equal(changed(torch.ones(len(back["input_ids"]), 2), back).isfinite(), back["scale"] >= 0)


def test_places_for_a_model_that_takes_none_are_refused(bert):
    other = TransformerEncoder(bert.model, bert.tokenizer)
    other._type = "unheard"
    features = other.tokenize(TEXTS)
    with pytest.raises(InputError, match="unheard can be given neither the places of tokens"):
        other({**features, "position_ids": places(features)})


def test_what_encoders_say_of_tokens(bert, table):
    names = bert.tokenizer.convert_ids_to_tokens(sorted(bert.special_tokens))
    assert set(names) == {"[PAD]", "[CLS]", "[SEP]", "[MASK]"}
    assert {table.tokenizer.id_to_token(i) for i in table.special_tokens} == {"[PAD]", "[DOC]"}
    assert (bert.token_dim, table.token_dim, bert.longest, table.longest) == (16, 6, 64, None)


def test_packed_is_padded_in_double_precision_too(monkeypatch):
    encoder = small_transformer(TEXTS, layers=2, width=16, heads=2, spread=0.3).double().eval()
    features = encoder.tokenize(TEXTS)
    packed = encoder(features)
    monkeypatch.setattr("counterpoint.encoders.transformer.LONGEST_PACKED", 0)
    torch.testing.assert_close(packed, encoder(features), rtol=1e-9, atol=1e-9)
