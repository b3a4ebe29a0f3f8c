"""Transformers that stay as they are, with prefixes or bottlenecks that learn: against attention by hand, and saved."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import AdapterEncoder, PrefixEncoder, StaticEncoder, load
from counterpoint.encoders.adapting import tanh_layer, without_dropout
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import with_adapters, with_prefix
from counterpoint.errors import InputError
from encoders.test_adapting import llama

TEXTS = ["cats sleep", "a dog that is old barks", "rain"]


def bert(layers=1):
    torch.manual_seed(0)
    options = {"layers": layers, "width": 8, "heads": 2, "dropout": 0.0, "spread": 0.3, "normalize": False}
    return small_transformer(TEXTS, **options)


def moved(encoder):
    """What learns, away from where it began."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in encoder.parameters():
            if p.requires_grad:
                p.copy_(torch.randn_like(p))
    return encoder


def ids_of(encoder, text):
    return torch.tensor(encoder.encoder._token_ids([text]))


def by_hand(encoder, text, adapted):
    """The mean state of a BERT of one layer, head by head and place by place, with what is within."""
    model = encoder.encoder.model
    (layer,) = model.encoder.layer
    x = model.embeddings(ids_of(encoder, text))[0]
    attention, out = layer.attention.self, layer.attention.output
    q, k, v = (part(x) for part in (attention.query, attention.key, attention.value))
    heads = []
    for h in range(2):
        own = slice(4 * h, 4 * h + 4)
        keys, values = k[:, own], v[:, own]
        if not adapted:
            keys, values = (torch.cat([encoder.prefix[0, i, h], part]) for i, part in enumerate((keys, values)))
        heads.append(torch.stack([(keys @ place / 2).softmax(0) @ values for place in q[:, own]]))

    def bottleneck(number, z):
        if not adapted:
            return z
        down, _, up = encoder.adapters[number]
        return z + F.gelu(z @ down.weight.T + down.bias) @ up.weight.T + up.bias

    x = out.LayerNorm(bottleneck(0, out.dense(torch.cat(heads, 1))) + x)
    x = layer.output.LayerNorm(bottleneck(1, layer.output.dense(layer.intermediate(x))) + x)
    return x.mean(0)


@pytest.mark.parametrize("adapted", [False, True])
def test_vectors_and_gradients_are_those_by_hand_and_only_what_is_within_learns(adapted):
    encoder = moved(AdapterEncoder(bert(), 3) if adapted else PrefixEncoder(bert(), 5, dropout=0.0)).double()
    z = encoder(encoder.tokenize(TEXTS))
    wanted = torch.stack([by_hand(encoder, text, adapted) for text in TEXTS])
    torch.testing.assert_close(z, wanted)
    learned = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in learned} == {"adapters" if adapted else "prefix"}
    weights = torch.randn_like(z)
    mine, other = (torch.autograd.grad((side * weights).sum(), list(learned.values())) for side in (z, wanted))
    torch.testing.assert_close(mine, other)


def test_a_causal_model_sees_its_prefix_as_a_cache_of_transformers_own():
    from transformers import DynamicCache

    encoder = moved(PrefixEncoder(llama(), 4)).eval()
    encoder.normalize = False
    z = encoder(encoder.tokenize(TEXTS))
    for i, text in enumerate(TEXTS):
        cache, ids = DynamicCache(), ids_of(encoder, text)
        for layer, (k, v) in enumerate(encoder.prefix):
            cache.update(k[None], v[None], layer)
        with torch.no_grad():
            # a prefix has no place of its own: the text begins at 0
            at = {"position_ids": torch.arange(ids.shape[1])[None], "past_key_values": cache}
            state = encoder.encoder.model(input_ids=ids, **at).last_hidden_state[0].mean(0)
        torch.testing.assert_close(z[i], state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda e: PrefixEncoder(e, 3), lambda e: AdapterEncoder(e, 2)])
@pytest.mark.parametrize("start", [lambda: bert(2), llama])
def test_padded_packed_and_saved_they_are_the_same_and_taken_out_the_start_is_what_it_was(make, start, tmp_path):
    plain = start().eval()
    plain.normalize = False
    before = plain.encode(TEXTS, dtype="float32")
    encoder = moved(make(plain)).eval()
    packed = encoder(encoder.tokenize(TEXTS))
    assert not torch.allclose(packed, plain(plain.tokenize(TEXTS)), atol=1e-2)
    alone = torch.cat([encoder(encoder.tokenize([text])) for text in TEXTS])
    torch.testing.assert_close(packed, alone)
    encoder.encoder._type = "another"
    torch.testing.assert_close(encoder(encoder.tokenize(TEXTS)), packed)
    encoder.encoder._type = plain.model.config.model_type
    half = encoder.encode(TEXTS, dtype="bfloat16")
    assert abs(half - packed.detach().numpy()).max() < 0.1
    encoder.save(tmp_path / "model")
    there = load(tmp_path / "model")
    assert type(there) is type(encoder)
    assert (there.encode(TEXTS, dtype="float32") == encoder.encode(TEXTS, dtype="float32")).all()
    assert (plain.encode(TEXTS, dtype="float32") == before).all()
    assert (there.encoder.encode(TEXTS, dtype="float32") == before).all()


def test_values_of_the_prefix_are_dropped_in_training_only():
    encoder = moved(PrefixEncoder(bert(), 5, dropout=0.5))
    features = encoder.tokenize(TEXTS)
    assert not torch.equal(encoder.train()(features), encoder(features))
    assert torch.equal(encoder.eval()(features), encoder(features))
    without_dropout(encoder.train())
    assert torch.equal(encoder(features), encoder(features))


def test_adapters_begin_as_the_identity_and_layers_after_pooling_learn():
    plain = tanh_layer(bert())
    before = plain(plain.tokenize(TEXTS))
    encoder = with_adapters(plain, 2)
    assert torch.equal(encoder(encoder.tokenize(TEXTS)), before)
    learned = [name for name, p in encoder.named_parameters() if p.requires_grad]
    assert "encoder.heads.0.linear.weight" in learned
    assert not any("model" in name for name in learned)
    assert with_adapters(encoder) is encoder
    assert with_prefix(encoder) is encoder


def test_what_cannot_be_frozen_so_is_refused():
    with pytest.raises(InputError, match="only a transformer"):
        with_prefix(StaticEncoder.from_corpus(TEXTS, dim=4))
    with pytest.raises(InputError, match="a prefix of 0"):
        PrefixEncoder(bert(), 0)
    with pytest.raises(InputError, match="a bottleneck of 0"):
        AdapterEncoder(bert(), 0)
    encoder = bert()
    encoder.model.config.num_hidden_layers = 3
    with pytest.raises(InputError, match="which its attention is"):
        PrefixEncoder(encoder)
    with pytest.raises(InputError, match="no halves known"):
        AdapterEncoder(encoder)
