"""The encoders that systems start from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data.images import digits
from counterpoint.encoders import load
from counterpoint.encoders.image import ImageEncoder
from counterpoint.encoders.scratch import small_transformer

TEXTS = ["the cat and the dog", "a dog: a cat!", "so long " * 40]


def test_an_image_s_vector_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    encoder, pixels = ImageEncoder(widths=(8, 16)).train(), digits().anchors.tensor[:10]
    alone = torch.cat([encoder(x[None]) for x in pixels])
    torch.testing.assert_close(alone, encoder(pixels), rtol=1e-4, atol=1e-5)
    assert encoder.encode(pixels, batch=3) == pytest.approx(alone.detach().numpy(), abs=1e-5)
    assert encoder.training


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_and_color(channels):
    encoder = ImageEncoder(channels, widths=(8, 16, 32))
    assert encoder(torch.zeros(2, channels, 12, 9)).shape == (2, 32)
    assert encoder.encode(torch.zeros(0, channels, 8, 8)).shape == (0, 32)


def test_small_transformer_reads_every_word_in_order():
    encoder = small_transformer(TEXTS, layers=1, width=16, vocab_size=80, max_seq_length=24)
    ids = encoder.tokenize(TEXTS[:1])["input_ids"].tolist()
    assert encoder.tokenizer.decode(ids) == "[CLS] the cat and the dog [SEP]"
    assert encoder.tokenize(TEXTS[2:])["offsets"].tolist() == [0, 24]


def test_small_transformer_is_saved_and_loaded(tmp_path):
    encoder = small_transformer(TEXTS, layers=1, width=16, vocab_size=80, seed=3)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model").encode(TEXTS, dtype="float32")
    assert again == pytest.approx(encoder.encode(TEXTS, dtype="float32"), abs=1e-5)
    same = small_transformer(TEXTS, layers=1, width=16, vocab_size=80, seed=3)
    assert np.array_equal(same.encode(TEXTS), encoder.encode(TEXTS))
    other = small_transformer(TEXTS, layers=1, width=16, vocab_size=80, seed=4)
    assert abs(other.encode(TEXTS) - encoder.encode(TEXTS)).max() > 0.01


def test_same_texts_same_word_pieces():
    # enough words for ties, and more characters of one count than are kept
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), size=5)) for _ in range(400)]
    rare = [chr(0x1200 + i) for i in range(1200)]
    makes = [small_transformer([*words, *rare], layers=1, width=16, vocab_size=1500) for _ in range(3)]
    first, *others = (make.tokenizer.get_vocab() for make in makes)
    assert all(other == first for other in others)
    assert sum(len(token) > 3 for token in first) > 100
