"""What sentence-transformers must pad, whatever the tokenizer knows of padding, has our vectors: we never pad."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
import transformers

from counterpoint.encoders import load
from counterpoint.errors import InputError

NAMED = {"pad": ("pad", "eos"), "eos alone": ("eos",), "unk alone": ("unk",), "bos alone": ("bos",), "none": ()}


def theirs(folder, texts):
    peers = pytest.importorskip("sentence_transformers")
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    # all in one batch, so that the shorter ones are padded
    return peers.SentenceTransformer(str(folder), device="cpu").encode(texts, batch_size=len(texts))


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("model_type", "pooling"), [("gpt2", "weighted_mean"), ("llama", "last"), ("qwen3", "mean")])
def test_a_saved_decoder_has_our_vectors_elsewhere(tiny, corpus, tmp_path, model_type, pooling, side, named):
    encoder = tiny(model_type, pooling=pooling, named=NAMED[named], sides={"padding_side": side})
    z = encoder.encode(corpus)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_allclose(again.encode(corpus), z, atol=1e-5)
    assert again.tokenizer.pad_token is not None
    assert again.tokenizer.pad_token_id < again.model.get_input_embeddings().num_embeddings
    assert json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())["pad_token"]
    np.testing.assert_allclose(theirs(tmp_path / "model", corpus), z, atol=1e-5)


def test_the_end_of_text_stands_for_padding_and_still_learns(tiny, corpus, tmp_path):
    """An embedding that knows its padding has no gradient there, and the end of a text is a token like others."""
    encoder = tiny("llama", pooling="last", named=("eos",))
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.tokenizer.pad_token == "</s>"
    table = again.model.get_input_embeddings().weight
    (gradient,) = torch.autograd.grad(again(again.tokenize([corpus[0] + " </s>"])).pow(3).sum(), [table])
    assert gradient[again.tokenizer.eos_token_id].abs().sum() > 0


def test_a_tokenizer_without_special_tokens_gets_one_that_changes_no_text(tiny, corpus):
    encoder, other = tiny("llama", named=()), tiny("llama")
    assert encoder.tokenizer.pad_token == "<|pad|>"
    assert len(encoder.model.get_input_embeddings().weight) == len(other.model.get_input_embeddings().weight) + 1
    torch.testing.assert_close(encoder.tokenize(corpus)["input_ids"], other.tokenize(corpus)["input_ids"])
    np.testing.assert_allclose(encoder.encode(corpus), other.encode(corpus), atol=1e-6)


def test_a_pad_token_the_model_has_no_vector_for(tiny, corpus, tmp_path):
    """As where somebody added a token and did not resize the model."""
    first = tiny("llama", named=("eos",))
    first.tokenizer.add_special_tokens({"pad_token": "<new>"})
    encoder = type(first)(first.model, first.tokenizer, pooling="mean")
    assert encoder.tokenizer.pad_token == "</s>"
    encoder.save(tmp_path / "model")
    np.testing.assert_allclose(theirs(tmp_path / "model", corpus), encoder.encode(corpus), atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_long_texts_are_cut_at_the_tokenizers_side(tiny, corpus, tmp_path, side):
    encoder = tiny("bert", max_seq_length=6, sides={"truncation_side": side})
    encoder.save(tmp_path / "model")
    words = encoder.tokenizer.convert_ids_to_tokens(encoder.tokenize(["a man is playing the guitar"])["input_ids"])
    assert words[1:-1] == ("a man is playing" if side == "right" else "is playing the guitar").split()
    np.testing.assert_allclose(theirs(tmp_path / "model", corpus), encoder.encode(corpus), atol=1e-5)


@pytest.mark.parametrize("positions", [16, 32, 40])
@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert", "electra", "gpt2", "llama"])
def test_few_positions(tiny, corpus, tmp_path, monkeypatch, model_type, positions):
    """Fewer than the usual packed row is long."""
    encoder = tiny(model_type, shape={"max_position_embeddings": positions}, normalize=False)
    texts = [*corpus, " ".join(corpus)]
    offset = 1 if model_type == "roberta" else 0
    assert encoder.max_seq_length == positions - offset
    z = encoder.encode(texts)
    loss = encoder(encoder.tokenize(texts)).pow(2).sum()
    loss.backward()
    encoder.save(tmp_path / "model")
    monkeypatch.setattr(encoder, "_type", "unheard-of")
    np.testing.assert_allclose(z, encoder.encode(texts), atol=1e-5)
    np.testing.assert_allclose(z, load(tmp_path / "model").encode(texts), atol=1e-5)
    np.testing.assert_allclose(z, theirs(tmp_path / "model", texts), atol=1e-5)


@pytest.mark.parametrize("length", [1, 2])
def test_no_room_for_text(tiny, length):
    with pytest.raises(InputError, match=f"{length} leaves no room beside 2 special tokens; give 3 or more"):
        tiny("bert", max_seq_length=length)
    assert tiny("bert", max_seq_length=3).encode(["a man"]).shape == (1, 32)


def test_a_tokenizer_in_python_says_what_is_cut_too(tmp_path, corpus):
    """Without a backend in Rust there is no list of what overflows."""

    class Letters(transformers.PreTrainedTokenizer):
        vocab_size = 130

        def get_vocab(self):
            return {chr(i): i for i in range(128)} | {"<p>": 128, "</s>": 129}

        def _tokenize(self, text, **_):
            return list(text)

        def _convert_token_to_id(self, token):
            return self.get_vocab().get(token, 0)

        def _convert_id_to_token(self, index):
            return next(t for t, i in self.get_vocab().items() if i == index)

    from counterpoint.encoders import TransformerEncoder

    config = transformers.BertConfig(
        vocab_size=130, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    tokenizer = Letters(pad_token="<p>", eos_token="</s>", model_max_length=20)
    encoder = TransformerEncoder(transformers.BertModel(config), tokenizer)
    features = encoder.tokenize(["x" * 19, "x" * 20, "x" * 21])
    assert features["cut"].tolist() == [False, False, True]
    assert features["offsets"].diff().tolist() == [19, 20, 20]
