"""What is made of an encoder before it is trained: of every tower, once, and kept when it is saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.encoders import StaticEncoder, load
from counterpoint.encoders.adapting import first_token, tanh_layer, two_towers, without_dropout
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.tasks import similarity_of

TEXTS = ["a small corpus", "of two texts"]


def bert(**options):
    return small_transformer(TEXTS, layers=1, width=8, heads=2, normalize=False, **options)


def hidden(encoder):
    features = encoder.tokenize(TEXTS)
    return encoder._hidden(features), features["offsets"]


def test_the_first_token_is_that_of_each_text_in_every_tower():
    towers = first_token(two_towers(bert()))
    for tower in (towers.query, towers.document):
        states, offsets = hidden(tower.eval())
        with torch.inference_mode():
            assert torch.allclose(tower(tower.tokenize(TEXTS)), states[offsets[:-1]], atol=1e-6)


def test_the_layer_is_the_same_for_a_seed_is_saved_and_is_not_put_there_twice(tmp_path):
    torch.manual_seed(0)
    encoder = tanh_layer(tanh_layer(first_token(bert()))).eval()
    (layer,) = encoder.heads
    states, offsets = hidden(encoder)
    wanted = torch.tanh(layer.linear(states[offsets[:-1]])).detach().numpy()
    assert encoder.encode(TEXTS, dtype="float32") == pytest.approx(wanted, abs=1e-5)
    encoder.save(tmp_path / "model")
    assert load(tmp_path / "model").encode(TEXTS, dtype="float32") == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(InputError, match="needs a transformer"):
        tanh_layer(StaticEncoder.from_corpus(TEXTS, dim=4))


def test_without_dropout_training_sees_what_testing_sees():
    encoder = bert(dropout=0.5)
    features = encoder.tokenize(TEXTS)
    encoder.train()
    assert not torch.allclose(encoder(features), encoder(features))
    without_dropout(encoder)
    assert torch.equal(encoder(features), encoder(features))
    assert torch.allclose(encoder(features), encoder.eval()(features), atol=1e-6)


def test_towers_begin_as_copies_and_are_compared_as_their_encoder_is():
    encoder = StaticEncoder.from_corpus(TEXTS, dim=4, prompts={}, similarity="dot")
    towers = two_towers(encoder)
    assert similarity_of(towers) == "dot"
    kinds = [towers.encode(TEXTS, kind=kind) for kind in ("query", "document")]
    assert np.array_equal(*kinds)
    assert towers.query.embedding.weight is not towers.document.embedding.weight
