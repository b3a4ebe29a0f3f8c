from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.encoders import StaticEncoder, load
from counterpoint.errors import InputError


def test_vectors_are_the_weighted_mean(tiny, corpus):
    encoder = tiny("static")
    z = encoder.encode(corpus)
    table, weight = encoder.embedding.weight, encoder.log_weight.exp()
    for i, text in enumerate(corpus):
        ids = encoder.tokenizer.encode(text, add_special_tokens=False).ids
        mean = sum(weight[t] * table[t] for t in ids) / sum(weight[t] for t in ids)
        expected = (mean / mean.norm()).detach().numpy()
        np.testing.assert_allclose(z[i], expected, atol=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_saved_with_weights_folded_gives_the_same(tiny, corpus, tmp_path, normalize):
    encoder = tiny("static", normalize=normalize)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.log_weight is None
    np.testing.assert_allclose(again.encode(corpus), encoder.encode(corpus), atol=1e-6)


def test_gradients_reach_table_and_weights(tiny, corpus):
    encoder = tiny("static", normalize=False)
    encoder(encoder.tokenize(corpus[:1])).sum().backward()
    ids = encoder.tokenizer.encode(corpus[0], add_special_tokens=False).ids
    table, w = encoder.embedding.weight.detach(), encoder.log_weight.detach().exp()
    grad_table, grad_weight = torch.zeros_like(table), torch.zeros_like(w)
    for t in ids:  # z = sum_t exp(w_t) e_t / T
        grad_table[t] += w[t] / len(ids)
        grad_weight[t] += w[t] * table[t].sum() / len(ids)
    torch.testing.assert_close(encoder.embedding.weight.grad, grad_table)
    torch.testing.assert_close(encoder.log_weight.grad, grad_weight)


def test_form_does_not_matter(corpus, tmp_path):
    encoder = StaticEncoder.from_corpus(corpus, vocab_size=120, dim=16)
    assert len(encoder.embedding.weight) == encoder.tokenizer.get_vocab_size() <= 120
    # case, accents, compatibility forms, plurals, repeats and punctuation
    np.testing.assert_array_equal(encoder.encode(["the CÄT, ﬁelds; the cats!"]), encoder.encode(["field The cat"]))
    encoder.save(tmp_path / "m")
    np.testing.assert_allclose(load(tmp_path / "m").encode(corpus), encoder.encode(corpus), atol=1e-6)


def test_same_seed_same_table(corpus):
    make = lambda seed: StaticEncoder.from_corpus(corpus, dim=8, seed=seed).encode(corpus)  # noqa: E731
    np.testing.assert_array_equal(make(1), make(1))
    assert not np.array_equal(make(1), make(2))


def test_same_corpus_same_tokenizer():
    # enough words for ties, which a trainer that goes by hash order breaks differently each time
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), size=5)) for _ in range(400)]
    made = {StaticEncoder.train_tokenizer(words, 150).to_str() for _ in range(4)}
    assert len(made) == 1


def test_same_corpus_same_characters_where_not_all_are_kept():
    rare = [chr(0x4E00 + i) for i in range(1200)]
    made = {StaticEncoder.train_tokenizer(rare, 1200).to_str() for _ in range(3)}
    assert len(made) == 1


def test_untrained_cosine_is_nearly_that_of_tf_idf():
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    words = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}x" for i in range(300)]
    texts = [" ".join(rng.choice(words, size=12, replace=False)) for _ in range(200)]
    z = StaticEncoder.from_corpus(texts, dim=2048, prompts={}).encode(texts)
    reference = TfidfVectorizer().fit_transform(texts)
    cosine = np.corrcoef((z @ z.T).ravel(), (reference @ reference.T).toarray().ravel())[0, 1]
    assert cosine > 0.95


def test_table_of_another_size(corpus):
    tokenizer = StaticEncoder.train_tokenizer(corpus)
    with pytest.raises(InputError, match="embedding table has 3 rows"):
        StaticEncoder(tokenizer, torch.zeros(3, 2))


@settings(max_examples=50)
@given(texts=st.lists(st.text(st.characters(), max_size=20), max_size=5))
def test_any_unicode_is_encoded(texts):
    encoder = StaticEncoder.from_corpus(["any text"], dim=4)
    z = encoder.encode(texts)
    assert z.shape == (len(texts), 4)
    norms = np.linalg.norm(z, axis=1)
    assert np.all(np.isclose(norms, 1, atol=1e-5) | (norms == 0))


def test_no_corpus():
    with pytest.raises(InputError, match="no text to train a tokenizer on"):
        StaticEncoder.from_corpus(["", "  "])
