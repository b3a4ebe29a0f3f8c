from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.layers import PooledLayers
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXTS = ["a small corpus of words", "small", "of a corpus"]


def test_they_are_the_means_of_the_states_of_each_text_by_itself():
    encoder = small_transformer(TEXTS, layers=2, width=8, heads=2, pooling="cls").eval()
    found = PooledLayers(encoder)(encoder.tokenize(TEXTS))
    for text, layers in zip(TEXTS, found, strict=True):
        ids = encoder.tokenize([text])["input_ids"]
        states = encoder.model(input_ids=ids[None], output_hidden_states=True).hidden_states
        assert len(states) == len(layers) == 3
        for state, layer in zip(states, layers, strict=True):
            torch.testing.assert_close(layer, state[0].mean(0), rtol=1e-4, atol=1e-5)


def test_what_has_no_layers_is_refused():
    with pytest.raises(InputError, match="layers"):
        PooledLayers(StaticEncoder.from_corpus(TEXTS, dim=4))
