"""Attention beside vectors: what is computed by hand, which layers stand together, and what is padding."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import AttentionBeside, StaticEncoder, take
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from encoders.test_adapting import llama

TEXTS = ["a small corpus", "small", "of a small corpus small"]


def bert(layers=1, **options):
    options = {"dropout": 0.0, "spread": 0.4, "normalize": False, **options}
    return small_transformer(["of a small corpus"], layers=layers, width=8, heads=2, **options)


def split(beside, out):
    return out[:, : beside.dim], out[:, beside.dim :].unflatten(1, (*beside.shape, beside.length))


def test_maps_are_the_softmax_of_scores_and_vectors_are_the_encoder_s():
    encoder = bert().eval()
    beside = AttentionBeside(encoder, 8).eval()
    features = encoder.tokenize(TEXTS)
    z, maps = split(beside, beside(features))
    torch.testing.assert_close(z, encoder(features))
    assert maps.shape == (3, 2, 1, 8, 8)
    attention = encoder.model.encoder.layer[0].attention.self
    for i, n in enumerate(features["offsets"].diff().tolist()):
        x = encoder.model.embeddings(take(features, [i])["input_ids"][None])[0]
        q, k = (layer(x).view(n, 2, 4).transpose(0, 1) for layer in (attention.query, attention.key))
        wanted = torch.softmax(q @ k.transpose(1, 2) / 2, 2)
        torch.testing.assert_close(maps[i, :, 0, :n, :n], wanted)
        assert maps[i].sum().item() == pytest.approx(2 * n, rel=1e-5)  # nothing else


def test_late_layers_stand_in_two_groups_where_they_are_even():
    twelve = AttentionBeside(bert(layers=12), 8)
    assert (twelve.layers, twelve.shape) == ((7, 8, 9, 10), (4, 2, 8))
    features = twelve.encoder.tokenize(TEXTS)
    _, each = twelve.encoder.eval()._attending(features, tuple(range(12)))
    _, maps = split(twelve, twelve.eval()(features))
    n = each[0].shape[-1]
    for head in range(2):
        for parity in range(2):
            for place, layer in enumerate((7 + parity, 9 + parity)):
                assert torch.equal(maps[:, 2 * head + parity, place, :n, :n], each[layer][:, head])
    assert [AttentionBeside(bert(layers=n)).layers for n in (1, 2, 3, 6)] == [(0,), (1,), (1,), (3, 4)]


def test_a_causal_model_attends_to_what_came_before_and_long_texts_are_cut():
    encoder = llama().eval()
    features = encoder.tokenize(["a small corpus small a"])
    n = int(features["offsets"][1])
    beside = AttentionBeside(encoder, 3).eval()
    _, maps = split(beside, beside(features))
    assert n > 3
    assert torch.equal(maps > 0, torch.ones(3, 3).tril().bool().expand_as(maps))
    before = encoder(features)
    assert torch.equal(before, encoder(features))


def test_gradients_reach_the_encoder_by_attention_and_rows_are_taken():
    beside = AttentionBeside(bert(dropout=0.3), 8).eval()
    features = beside.encoder.tokenize(TEXTS)
    torch.testing.assert_close(beside(take(features, [2, 0])), beside(features)[[2, 0]])
    _, maps = split(beside, beside(features))
    maps.square().sum().backward()
    assert beside.encoder.model.encoder.layer[0].attention.self.query.weight.grad.abs().sum() > 0
    assert beside(take(features, [])).shape == (0, 8 + 2 * 64)
    # dropped in training, and so 0
    _, dropped = split(beside, beside.train()(features))
    assert ((maps > 0) & (dropped == 0)).any()


def test_what_attends_to_nothing_is_refused():
    with pytest.raises(InputError, match="only a transformer"):
        AttentionBeside(StaticEncoder.from_corpus(["a"], dim=4))
    with pytest.raises(InputError, match="attention of 0"):
        AttentionBeside(bert(), 0)
