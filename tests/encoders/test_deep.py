"""Layers behind another encoder: against a loop, saved and loaded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.encoders import DeepEncoder, NGramEncoder, StaticEncoder, load
from counterpoint.encoders.wrapping import with_layers
from counterpoint.errors import InputError

TEXTS = ["one red cat", "two cats", "a dog is red", "dogs"]


def made(layers=3, **options) -> DeepEncoder:
    torch.manual_seed(0)
    table = StaticEncoder.from_corpus(TEXTS, dim=4, normalize=False, **options)
    return DeepEncoder(NGramEncoder(table, 11), layers)


def test_vectors_and_gradients_are_those_of_a_loop_over_layers():
    encoder = made()
    inputs = encoder.tokenize(TEXTS)
    z = encoder(inputs)
    linear = [part for part in encoder.network if isinstance(part, nn.Linear)]
    assert len(linear) == encoder.layers == 3
    with torch.no_grad():
        linear[1].bias.add_(0.5)
    z, naive = encoder(inputs), []
    for x in encoder.encoder(inputs):
        for i, layer in enumerate(linear):
            x = layer.weight @ (x if i == 0 else x.clamp_min(0)) + layer.bias
        naive.append(x)
    torch.testing.assert_close(z, torch.stack(naive))
    over = list(encoder.parameters())
    found = (torch.autograd.grad(value.square().sum(), over) for value in (z, torch.stack(naive)))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other)


def test_texts_are_as_far_apart_behind_it_as_before():
    torch.manual_seed(0)
    network = DeepEncoder(StaticEncoder.from_corpus(TEXTS, dim=256)).network
    x = torch.randn(64, 256)
    with torch.no_grad():
        assert 0.3 < float(network(x).std() / x.std()) < 3
    assert all(float(part.bias.detach().norm()) == 0 for part in network if isinstance(part, nn.Linear))


def test_it_is_saved_and_loaded(tmp_path):
    encoder = made(2, default_prompt_name="p", prompts={"p": "red "})
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.layers, other.normalize, other.prompts) == (2, False, {"p": "red "})
    assert (other.encode(TEXTS) == encoder.encode(TEXTS)).all()
    assert with_layers(other) is other


def test_what_no_layers_fit_behind_is_refused():
    with pytest.raises(InputError, match="no encoder of texts"):
        with_layers(nn.Linear(2, 2))
    with pytest.raises(InputError, match="a network of 0 layers"):
        made(0)
