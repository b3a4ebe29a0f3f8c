from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.encoders import Dense, Encoder, concat, fingerprint, load, take
from counterpoint.encoders.transformer import LONGEST_PACKED, PACKABLE
from counterpoint.errors import InputError


def alone(encoder, text):
    """Token vectors of one text by the Hugging Face model itself: no packing, no padding, no mask."""
    ids = encoder.tokenizer(text, truncation=True, max_length=encoder.max_seq_length)["input_ids"]
    return encoder.model(input_ids=torch.tensor([ids])).last_hidden_state[0]


def gradient(encoder, z_nd):
    """The gradient of sum z^3 in all weights (z^2 would be constant after a final LayerNorm)."""
    parameters = list(encoder.parameters())
    grads = torch.autograd.grad(z_nd.pow(3).sum(), parameters, allow_unused=True)
    return torch.cat([g.flatten() for g in grads if g is not None])


@pytest.mark.parametrize("model_type", PACKABLE)
def test_packed_equals_alone_in_value_and_gradient(tiny, corpus, model_type):
    encoder = tiny(model_type, normalize=False)
    texts = corpus * 3
    assert encoder._hidden(encoder.tokenize(texts)).shape[0] < 64 * len(texts)
    reference = torch.stack([alone(encoder, text).mean(0) for text in texts])
    expected = gradient(encoder, reference)
    z = encoder(encoder.tokenize(texts))
    torch.testing.assert_close(z, reference, atol=1e-5, rtol=1e-5)
    error = (gradient(encoder, z) - expected).norm() / expected.norm()
    assert error < 1e-5


def test_what_is_not_packable_is_padded_and_equal(tiny, corpus, monkeypatch):
    encoder = tiny("bert", normalize=False)
    features = encoder.tokenize(corpus)
    packed = encoder(features)
    monkeypatch.setattr(encoder, "_type", "unheard-of")
    torch.testing.assert_close(encoder(features), packed, atol=1e-5, rtol=1e-5)


def test_packing_is_really_used(tiny, corpus):
    encoder = tiny("bert")
    seen = []
    encoder.model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    encoder.encode(corpus)
    rows, width = seen[0]
    assert rows < len(corpus)
    assert width <= LONGEST_PACKED


@pytest.mark.parametrize("model_type", ["bert", "gpt2"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last", "weighted_mean"])
def test_every_pooling_end_to_end(tiny, corpus, model_type, pooling):
    encoder = tiny(model_type, pooling=pooling, normalize=False)
    z = torch.from_numpy(encoder.encode(corpus))
    for i, text in enumerate(corpus):
        h = alone(encoder, text).detach()
        t = torch.arange(1, len(h) + 1.0)
        expected = {
            "mean": h.mean(0),
            "cls": h[0],
            "max": h.max(0).values,
            "last": h[-1],
            "weighted_mean": (t[:, None] * h).sum(0) / t.sum(),
        }[pooling]
        torch.testing.assert_close(z[i], expected, atol=1e-5, rtol=1e-5)


def test_prompts(tiny):
    prompts = {"query": "query : ", "passage": "passage : "}
    encoder = tiny("bert", prompts=prompts, default_prompt_name="query")
    plain = tiny("bert")
    for kind, prompt in (("query", "query : "), ("document", "passage : "), (None, "query : ")):
        np.testing.assert_allclose(encoder.encode(["a dog"], kind=kind), plain.encode([prompt + "a dog"]), atol=1e-6)


def test_prompt_can_be_left_out_of_pooling(tiny):
    encoder = tiny("bert", prompts={"query": "query : "}, include_prompt=False, normalize=False)
    h = alone(encoder, "query : a dog")
    skip = len(encoder.tokenizer("query :")["input_ids"]) - 1  # its last token is </s>
    expected = h[skip:].mean(0).detach().numpy()
    np.testing.assert_allclose(encoder.encode(["a dog"], kind="query")[0], expected, atol=1e-5)
    # a chunk keeps its prompt lengths
    features = encoder.tokenize(["a dog", "the cat"], "query")
    torch.testing.assert_close(encoder(take(features, [1])), encoder(features)[1:], atol=1e-5, rtol=0)


def test_truncated_vectors_are_normalised_again(tiny, corpus):
    whole = tiny("bert", normalize=False).encode(corpus)[:, :8]
    short = tiny("bert", truncate_dim=8).encode(corpus)
    np.testing.assert_allclose(short, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-5)


def test_long_texts_are_cut(tiny):
    encoder = tiny("bert", max_seq_length=6)
    features = encoder.tokenize(["dogs " * 50, "dogs"])
    assert features["offsets"].diff().tolist() == [6, 3]
    assert features["input_ids"][5] == 3  # and still end with </s>


def test_lower_case(tiny):
    encoder = tiny("bert", do_lower_case=True)
    encoder.tokenizer.backend_tokenizer.normalizer = None
    np.testing.assert_array_equal(encoder.encode(["DOGS"]), encoder.encode(["dogs"]))


def test_empty_text_and_empty_batch(tiny):
    encoder = tiny("gpt2", pooling="last")
    assert np.isfinite(encoder.encode(["", "dogs", " "])).all()
    assert encoder(encoder.tokenize([])).shape == (0, 32)


def test_columns_in_one_forward(tiny, corpus):
    encoder = tiny("bert")
    a, b = encoder.tokenize(corpus[:3]), encoder.tokenize(corpus[3:])
    both = encoder(concat([a, b]))
    torch.testing.assert_close(both, torch.cat([encoder(a), encoder(b)]), atol=1e-5, rtol=0)


def test_is_an_encoder(tiny):
    assert isinstance(tiny("bert"), Encoder)
    assert isinstance(tiny("static"), Encoder)


def test_dense_head(tiny, corpus):
    plain = tiny("bert", normalize=False)
    torch.manual_seed(1)
    head = Dense(32, 5)
    encoder = tiny("bert", heads=[head], normalize=False)
    assert encoder.dim == 5
    z = torch.from_numpy(plain.encode(corpus))
    expected = torch.tanh(z @ head.linear.weight.T + head.linear.bias).detach().numpy()
    np.testing.assert_allclose(encoder.encode(corpus), expected, atol=1e-5)
    with pytest.raises(InputError, match="takes 7 dimensions, not 32"):
        tiny("bert", heads=[Dense(7, 5)])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pooling": "median"}, "unknown pooling 'median'"),
        ({"truncate_dim": 64}, "cannot truncate to 64 dimensions"),
        ({"default_prompt_name": "q"}, "default prompt 'q'"),
        ({"max_seq_length": 500}, "max_seq_length 500"),
        ({"similarity": "angular"}, "unknown similarity"),
    ],
)
def test_bad_settings(tiny, options, sentence):
    with pytest.raises(InputError, match=sentence):
        tiny("bert", **options)


def test_bfloat16_is_near_and_leaves_the_weights(tiny, corpus):
    encoder = tiny("llama")
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    exact, near = encoder.encode(corpus), encoder.encode(corpus, dtype="bfloat16")
    assert not np.array_equal(exact, near)
    assert (exact * near).sum(1).min() > 0.99
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])
    np.testing.assert_array_equal(encoder.encode(corpus), exact)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's
def test_lora_trains_little_and_saves_merged(tiny, corpus, tmp_path):
    pytest.importorskip("peft")
    encoder = tiny("llama")
    before = encoder.encode(corpus)
    total = sum(p.numel() for p in encoder.parameters())
    torch.manual_seed(0)
    encoder.add_lora(r=2)
    trainable = [p for p in encoder.parameters() if p.requires_grad]
    assert 0 < sum(p.numel() for p in trainable) < total / 4
    np.testing.assert_allclose(encoder.encode(corpus), before, atol=1e-6)  # B begins at 0
    optimizer = torch.optim.SGD(trainable, lr=1.0)
    encoder(encoder.tokenize(corpus)).sum().backward()
    optimizer.step()
    after = encoder.encode(corpus)
    assert np.abs(after - before).max() > 1e-3
    encoder.save(tmp_path / "model")
    np.testing.assert_allclose(load(tmp_path / "model").encode(corpus), after, atol=1e-5)


def test_gradient_checkpointing_leaves_the_gradient(tiny, corpus):
    grads = []
    for checkpoint in (False, True):
        encoder = tiny("bert")
        encoder.train()
        for module in encoder.modules():  # no dropout: the two runs must agree
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        if checkpoint:
            encoder.checkpoint_gradients()
        encoder(encoder.tokenize(corpus))[:, 0].sum().backward()
        grads.append(encoder.model.embeddings.word_embeddings.weight.grad)
    torch.testing.assert_close(*grads)


def test_offline_name_gives_one_sentence(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="no model of this name could be fetched") as error:
        load("nobody/no-such-model")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such model folder"):
        load("some/deep/folder")


def test_where_texts_are_cut_is_part_of_the_fingerprint(tiny):
    assert fingerprint(tiny("bert", max_seq_length=9)) == fingerprint(tiny("bert", max_seq_length=9))
    assert fingerprint(tiny("bert", max_seq_length=9)) != fingerprint(tiny("bert", max_seq_length=10))
