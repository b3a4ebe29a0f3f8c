"""A dense vector beside weights of a text's own tokens: against a loop over tokens, saved and loaded, refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import HybridEncoder, ImageEncoder, NuggetEncoder, StaticEncoder, load, take
from counterpoint.encoders.hybrid import dense_and_sparse
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXTS = ["one red cat", "a dog is red and a cat is not", "dogs"]


def bert():
    torch.manual_seed(0)
    return small_transformer(TEXTS, layers=1, width=8, heads=2, spread=0.5, dropout=0.0)


def table():
    return StaticEncoder.from_corpus(TEXTS, dim=8, prompts={})


MADE = {
    "transformer": lambda: HybridEncoder(bert(), dense=8, share=2.0),
    "wider": lambda: HybridEncoder(bert(), dense=11),
    "narrower": lambda: HybridEncoder(bert(), dense=3),
    "table": lambda: HybridEncoder(table(), dense=8),
}


def moved(encoder):
    """Weights as they could be after training, some of them below 0."""
    torch.manual_seed(1)
    torch.nn.init.normal_(encoder.weigh.weight, std=0.5)
    return encoder


def naive(encoder, text):
    inner = encoder.encoder
    ids = inner.tokenize([text])["input_ids"]
    if isinstance(inner, StaticEncoder):
        states = inner.embedding(ids)
    else:
        states = inner.model(input_ids=ids[None]).last_hidden_state[0]
    mean = sum(states) / len(states)
    u = torch.stack([mean[i] if i < len(mean) else torch.zeros(()) for i in range(encoder.dense)])
    weights = []
    for v in range(encoder.vocabulary):
        found = [torch.relu(encoder.weigh.weight[0] @ h + encoder.weigh.bias[0])
                 for i, h in zip(ids.tolist(), states, strict=True) if i == v]  # fmt: skip
        there = found and v not in inner.special_tokens
        weights.append(torch.stack(found).max() if there else torch.zeros(()))
    return torch.cat([F.normalize(u, dim=0), encoder.share**0.5 * torch.stack(weights)])


@pytest.mark.parametrize("name", MADE)
def test_both_parts_and_gradients_are_those_of_a_loop_over_tokens(name):
    encoder = moved(MADE[name]()).eval()
    z = encoder(encoder.tokenize(TEXTS))
    wanted = torch.stack([naive(encoder, text) for text in TEXTS])
    assert z.shape[1] == encoder.dim == encoder.dense + encoder.vocabulary
    torch.testing.assert_close(z, wanted)
    assert (z[:, encoder.dense :] > 0).any(1).all()
    weights, factor = list(encoder.parameters()), torch.randn_like(wanted)
    both = [torch.autograd.grad((found * factor).sum(), weights, allow_unused=True) for found in (z, wanted)]
    for one, other in zip(*both, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_it_begins_by_counting_the_tokens_that_both_have():
    encoder = HybridEncoder(table(), share=3.0, bias=0.5)
    z = encoder.encode(["red cat cat", "a red cat", "dogs"])
    products = z[:, 768:] @ z[:, 768:].T
    np.testing.assert_allclose(products, 3 * 0.25 * np.array([[2, 2, 0], [2, 3, 0], [0, 0, 1]]), rtol=1e-5)


def test_chunks_are_the_same_as_all_at_once():
    encoder = moved(MADE["transformer"]()).eval()
    features = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(take(features, [2, 0])), encoder(features)[[2, 0]])
    assert encoder.encode([]).shape == (0, encoder.dim)


@pytest.mark.parametrize("name", MADE)
def test_it_is_saved_and_loaded(name, tmp_path):
    encoder = moved(MADE[name]())
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.similarity, other.normalize, other.dim) == ("dot", False, encoder.dim)
    np.testing.assert_allclose(other.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_what_has_no_such_parts_is_refused():
    with pytest.raises(InputError, match="without states of tokens"):
        HybridEncoder(NuggetEncoder(bert()))
    with pytest.raises(InputError, match="without states of tokens"):
        dense_and_sparse(ImageEncoder(widths=(8,)))
    for options in ({"dense": 0}, {"share": 0.0}, {"share": float("inf")}, {"bias": 0.0}):
        with pytest.raises(InputError, match="give all above 0"):
            HybridEncoder(table(), **options)
