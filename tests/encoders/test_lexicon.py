"""Weights of the vocabulary: against a loop over tokens, what is kept, sparse and dense, saved and loaded, refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data.items import Items
from counterpoint.encoders import NuggetEncoder, SpladeEncoder, StaticEncoder, load, take
from counterpoint.encoders.lexicon import beside_expansions
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.search import sparse_search

TEXTS = ["one red cat", "a dog is red and a cat is not", "dogs"]


def bert():
    torch.manual_seed(0)
    return small_transformer(TEXTS, layers=1, width=8, heads=2, spread=0.5)


def table():
    return StaticEncoder.from_corpus(TEXTS, dim=8, prompts={})


MADE = {
    "transformer": lambda: SpladeEncoder(bert()),
    "table": lambda: SpladeEncoder(table(), bias=-0.5),
    "kept": lambda: SpladeEncoder(bert(), keep=5),
    "a table's kept": lambda: SpladeEncoder(table(), keep=4),
    "after a vector": lambda: SpladeEncoder(bert(), dense=12),
    "a table's after a vector": lambda: SpladeEncoder(table(), keep=4, dense=5),
}


def naive(encoder, text):
    inner = encoder.encoder
    ids = inner.tokenize([text])["input_ids"]
    if isinstance(inner, StaticEncoder):
        rows, states = inner.embedding.weight, inner.embedding(ids)
    else:
        rows, states = inner.model.get_input_embeddings().weight, inner.model(input_ids=ids[None]).last_hidden_state[0]
    found = []
    for v, row in enumerate(rows):
        values = [torch.log1p(torch.relu(state @ row + encoder.offset[v])) for state in states]
        found.append(torch.stack(values).max() * (v not in inner.special_tokens))
    weights = torch.stack(found)
    if encoder.keep:
        kept = weights >= weights.sort(descending=True).values[encoder.keep - 1]
        weights = weights * kept
    u = states.mean(0)
    if isinstance(inner, StaticEncoder):
        u = (u - u.mean()) / (u.var(correction=0) + 1e-5).sqrt()
    return torch.cat([u[: encoder.dense], torch.zeros(max(0, encoder.dense - len(u))), weights])


@pytest.mark.parametrize("name", MADE)
def test_weights_and_gradients_are_those_of_a_loop_over_tokens(name):
    encoder = MADE[name]().eval()
    torch.nn.init.normal_(encoder.offset, std=0.2)
    z = encoder(encoder.tokenize(TEXTS))
    wanted = torch.stack([naive(encoder, text) for text in TEXTS])
    assert z.shape[1] == encoder.dim
    torch.testing.assert_close(z, wanted)
    weights, factor = list(encoder.parameters()), torch.randn_like(wanted)
    both = [torch.autograd.grad((found * factor).sum(), weights, allow_unused=True) for found in (z, wanted)]
    for one, other in zip(*both, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_few_of_the_vocabulary_weigh_and_are_found_by_an_inverted_index():
    encoder = MADE["kept"]()
    items = Items("text", TEXTS)
    sparse, dense = encoder.encode_sparse(items), encoder.encode(TEXTS)
    np.testing.assert_allclose(sparse.toarray(), dense, atol=1e-6)
    assert (np.diff(sparse.indptr) <= 5).all()
    assert not sparse.toarray()[:, sorted(encoder.special_tokens)].any()
    ids, scores = sparse_search(sparse, sparse, 3)
    products = dense @ dense.T
    for row, best in enumerate(np.argsort(-products, axis=1, kind="stable")):
        found = [d for d in best if products[row, d] > 0]
        assert ids[row].tolist() == [*found, *[-1] * (3 - len(found))]
        np.testing.assert_allclose(scores[row, : len(found)], products[row, found], rtol=1e-5)


def test_terms_are_its_tokens_the_greatest_first():
    encoder = SpladeEncoder(table())
    (terms,) = encoder.terms(["one not"])
    weights = [weight for _, weight in terms]
    assert weights == sorted(weights, reverse=True)
    assert {"one", "not"} <= {word for word, _ in terms}


def test_weights_after_a_vector_are_found_without_it():
    encoder, alone = SpladeEncoder(table(), dense=5), SpladeEncoder(table())
    items = Items("text", TEXTS)
    assert (encoder.dim, encoder.encode(TEXTS).shape[1]) == (5 + alone.dim, 5 + alone.dim)
    np.testing.assert_array_equal(encoder.encode_sparse(items).toarray(), alone.encode_sparse(items).toarray())
    assert encoder.terms(TEXTS) == alone.terms(TEXTS)


@pytest.mark.parametrize("name", ["transformer", "after a vector"])
def test_a_transformer_at_half_precision_gives_nearly_the_same(name):
    encoder = MADE[name]().eval()
    features = encoder.tokenize(TEXTS)
    with torch.no_grad(), encoder.at(torch.bfloat16):
        z = encoder(features)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z, encoder(features).detach(), rtol=0.05, atol=0.05)


def test_what_has_weights_beside_a_vector_stays():
    encoder = beside_expansions(table(), dense=5, keep=4, bias=-0.5)
    assert (encoder.dense, encoder.keep, encoder.bias) == (5, 4, -0.5)
    assert beside_expansions(encoder) is encoder
    with pytest.raises(InputError, match="without states of tokens"):
        beside_expansions(torch.nn.Identity())


def test_a_text_without_tokens_weighs_nothing():
    encoder = SpladeEncoder(table(), bias=1.0)
    z = encoder(encoder.tokenize(["", "red"]))
    assert not z[0].any()
    assert z[1].any()


def test_chunks_are_the_same_as_all_at_once(monkeypatch):
    encoder = MADE["transformer"]().eval()
    features = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(take(features, [2, 0])), encoder(features)[[2, 0]])
    whole = encoder.encode_sparse(Items("text", TEXTS)).toarray()
    monkeypatch.setattr("counterpoint.encoders.lexicon._TOKENS", 1)
    np.testing.assert_allclose(encoder.encode_sparse(Items("text", TEXTS)).toarray(), whole, atol=1e-6)
    assert encoder.encode_sparse(Items("text", [])).shape == (0, encoder.dim)


@pytest.mark.parametrize("name", MADE)
def test_it_is_saved_and_loaded(name, tmp_path):
    encoder = MADE[name]()
    with torch.no_grad():
        encoder.offset.add_(0.3)
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.similarity, other.normalize, other.dim) == ("dot", False, encoder.dim)
    np.testing.assert_allclose(other.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_what_has_no_such_weights_is_refused():
    with pytest.raises(InputError, match="without states of tokens"):
        SpladeEncoder(NuggetEncoder(bert()))
    with pytest.raises(InputError, match="are kept"):
        SpladeEncoder(table(), keep=-1)
    with pytest.raises(InputError, match="dense part of -1"):
        SpladeEncoder(table(), dense=-1)
