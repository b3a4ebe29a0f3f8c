"""What is made of an encoder before it is trained: of every tower, once, and kept when it is saved."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from counterpoint.encoders import StaticEncoder, TransformerEncoder, load
from counterpoint.encoders.adapting import (
    first_layers,
    first_token,
    frozen_tokens,
    last_token,
    linear_layer,
    maximum,
    tanh_layer,
    two_towers,
    unscaled,
    with_dropout,
    without_dropout,
)
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.evaluate import similarity_of

TEXTS = ["a small corpus", "of two texts"]


def bert(**options):
    return small_transformer(TEXTS, layers=1, width=8, heads=2, normalize=False, **options)


def hidden(encoder):
    features = encoder.tokenize(TEXTS)
    return encoder._hidden(features), features["offsets"]


def test_the_maximum_is_that_of_each_text_in_every_tower():
    towers = maximum(two_towers(bert()))
    for tower in (towers.query, towers.document):
        states, offsets = hidden(tower.eval())
        with torch.inference_mode():
            wanted = torch.stack([states[a:b].amax(0) for a, b in pairwise(offsets)])
            assert torch.allclose(tower(tower.tokenize(TEXTS)), wanted, atol=1e-6)


def test_the_last_token_is_that_of_each_text():
    encoder = last_token(bert()).eval()
    states, offsets = hidden(encoder)
    with torch.inference_mode():
        assert torch.allclose(encoder(encoder.tokenize(TEXTS)), states[offsets[1:] - 1], atol=1e-6)


def test_a_linear_layer_may_have_no_bias(tmp_path):
    encoder = linear_layer(bert(), bias=False).eval()
    assert encoder.heads[0].linear.bias is None
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.heads[0].linear.bias is None
    np.testing.assert_allclose(again.encode(TEXTS, dtype="float32"), encoder.encode(TEXTS, dtype="float32"), atol=1e-6)


def test_vectors_are_as_long_as_they_are_and_compared_by_their_cosine():
    given = bert().eval()
    given.normalize = True
    unit = given.encode(TEXTS, dtype="float32")
    plain = unscaled(given).encode(TEXTS, dtype="float32")
    assert not np.allclose(np.linalg.norm(plain, axis=1), 1)
    np.testing.assert_allclose(plain / np.linalg.norm(plain, axis=1, keepdims=True), unit, atol=1e-6)
    assert given.similarity == "cosine"


def test_token_vectors_alone_are_frozen():
    encoder = frozen_tokens(two_towers(bert()))
    frozen = {name for name, p in encoder.named_parameters() if not p.requires_grad}
    assert {name.split("model.")[1] for name in frozen} == {"embeddings.word_embeddings.weight"}
    assert len(frozen) == 2


def test_the_first_token_is_that_of_each_text_in_every_tower():
    towers = first_token(two_towers(bert()))
    for tower in (towers.query, towers.document):
        states, offsets = hidden(tower.eval())
        with torch.inference_mode():
            assert torch.allclose(tower(tower.tokenize(TEXTS)), states[offsets[:-1]], atol=1e-6)


@pytest.mark.parametrize(("add", "function"), [(tanh_layer, torch.tanh), (linear_layer, lambda z: z)])
def test_the_layer_is_the_same_for_a_seed_is_saved_and_is_not_put_there_twice(add, function, tmp_path):
    torch.manual_seed(0)
    encoder = add(add(first_token(bert()))).eval()
    (layer,) = encoder.heads
    states, offsets = hidden(encoder)
    wanted = function(layer.linear(states[offsets[:-1]])).detach().numpy()
    assert encoder.encode(TEXTS, dtype="float32") == pytest.approx(wanted, abs=1e-5)
    encoder.save(tmp_path / "model")
    assert load(tmp_path / "model").encode(TEXTS, dtype="float32") == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(InputError, match="needs a transformer"):
        add(StaticEncoder.from_corpus(TEXTS, dim=4))


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


def test_first_layers_are_those_of_the_whole():
    whole, few = (small_transformer(TEXTS, layers=2, width=8, heads=2).eval() for _ in range(2))
    first_layers(few, 1)
    ids = whole.tokenize(TEXTS[:1])["input_ids"][None]
    states = whole.model(input_ids=ids, output_hidden_states=True).hidden_states
    assert torch.equal(few.model(input_ids=ids).last_hidden_state, states[1])
    assert torch.equal(first_layers(few, 0).model(input_ids=ids).last_hidden_state, states[0])


def test_first_layers_of_a_decoder_keep_the_last_normalisation(tmp_path):
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2
    )
    torch.manual_seed(0)
    model = transformers.LlamaModel(config).eval()
    torch.nn.init.normal_(model.norm.weight)
    tokenizer = small_transformer(TEXTS, layers=1, width=8, heads=2, vocab_size=60).tokenizer
    encoder = TransformerEncoder(model, tokenizer, max_seq_length=32)
    ids = encoder.tokenize(TEXTS[:1])["input_ids"][None]
    expected = model.norm(model(input_ids=ids, output_hidden_states=True).hidden_states[2])
    few = first_layers(encoder, 2)
    torch.testing.assert_close(few.model(input_ids=ids).last_hidden_state, expected)
    few.save(tmp_path / "few")
    again = load(tmp_path / "few")
    assert len(again.model.layers) == again.model.config.num_hidden_layers == 2
    assert np.array_equal(again.encode(TEXTS, dtype="float32"), few.encode(TEXTS, dtype="float32"))


@pytest.mark.parametrize("layers", [-1, 3])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(InputError, match=f"the first {layers} layers of 1"):
        first_layers(bert(), layers)


def llama():
    from transformers import LlamaConfig, LlamaModel

    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    return TransformerEncoder(LlamaModel(LlamaConfig(vocab_size=200, **size)), bert().tokenizer)


def test_a_causal_model_keeps_its_pooling_and_knows_dropout_in_training_only(tmp_path):
    plain = llama()
    encoder = with_dropout(with_dropout(first_token(llama())))
    assert encoder.pooling == "mean"
    features = encoder.tokenize(TEXTS)
    drawn = [encoder.train()(features) for _ in range(2)]
    assert not torch.isclose(*drawn).all(1).any()
    assert torch.equal(encoder.eval()(features), plain.eval()(features))
    parts = [m for m in encoder.modules() if isinstance(m, torch.nn.Dropout)]
    assert [m.p for m in parts] == [0.1] * 3  # the embedding and two perceptrons, once
    torch.manual_seed(0)
    one = encoder.train()(features)
    torch.manual_seed(0)
    assert torch.equal(encoder(features), one)
    encoder.eval().save(tmp_path / "model")
    assert np.allclose(load(tmp_path / "model").encode(TEXTS, dtype="float32"), plain.encode(TEXTS, dtype="float32"))
    quiet = without_dropout(encoder).train()
    assert torch.equal(quiet(features), quiet(features))


def test_a_model_that_knows_dropout_keeps_its_own():
    encoder = with_dropout(bert(dropout=0.3))
    assert {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
    table = StaticEncoder.from_corpus(TEXTS, dim=4)
    assert with_dropout(table) is table
