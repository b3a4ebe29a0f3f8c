from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Example, debian
from counterpoint.encoders.scratch import small_transformer
from counterpoint.training import TrainConfig, train
from counterpoint.views import MaskedLM, delete_words, shuffle_partners

TEXTS = [e.positives[0] for e in debian().train.examples[:64]]
words = st.lists(st.sampled_from(["one", "two", "three", "four"]), min_size=1, max_size=12)


@given(words, st.floats(0, 1), st.integers(0, 100))
def test_deleted_words_are_as_many_as_asked_and_the_rest_keeps_its_order(text, share, seed):
    left = delete_words(" ".join(text), share, torch.Generator().manual_seed(seed)).split()
    assert len(left) == len(text) - min(round(share * len(text)), len(text) - 1)
    rest = iter(text)
    assert all(word in rest for word in left)


@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 100))
def test_shuffled_partners_go_round(n, share, seed):
    pairs = [Example(f"a{i}", (f"b{i}",)) for i in range(n)]
    noisy, right = shuffle_partners(pairs, share, seed)
    assert [e.anchor for e in noisy] == [e.anchor for e in pairs]
    assert sorted(e.positives for e in noisy) == sorted(e.positives for e in pairs)
    assert [a == b for a, b in zip(noisy, pairs, strict=True)] == right
    moved = round(share * n)
    assert right.count(False) == (moved if moved > 1 else 0)


@pytest.fixture(scope="module")
def masked():
    return MaskedLM(small_transformer(TEXTS, layers=1, width=32, vocab_size=500), TEXTS)


def test_masked_loss_is_cross_entropy_over_the_vocabulary(masked):
    torch.manual_seed(0)
    payload = masked.payload(torch.arange(8))
    h = masked(payload.inputs)
    seen = payload.arguments(h)
    original = masked._features["input_ids"][: len(payload.inputs[1])]
    logits = h @ masked.encoder.model.get_input_embeddings().weight.T
    expected = F.cross_entropy(logits, original[payload.inputs[1]])
    torch.testing.assert_close(masked.objective()(**seen), expected, rtol=1e-5, atol=1e-6)


def test_what_is_masked(masked):
    torch.manual_seed(0)
    tokenizer = masked.encoder.tokenizer
    original = masked._features["input_ids"]
    shown, chosen = [], []
    for _ in range(20):
        payload = masked.payload(torch.arange(len(masked)))
        shown.append(payload.inputs[0]["input_ids"])
        chosen.append(payload.inputs[1])
    shown, chosen, original = torch.stack(shown), torch.stack(chosen), original.expand(20, -1)
    special = torch.isin(original, torch.tensor(tokenizer.all_special_ids))
    assert not bool((chosen & special).any())
    assert torch.equal(shown[~chosen], original[~chosen])
    assert float(chosen[~special].float().mean()) == pytest.approx(0.15, abs=0.01)
    is_mask, is_same = (shown == tokenizer.mask_token_id)[chosen], (shown == original)[chosen]
    assert float(is_mask.float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float(is_same.float().mean()) == pytest.approx(0.1, abs=0.02)


def test_it_learns_and_changes_the_encoder(masked):
    before = masked.encoder.encode(TEXTS[:2], dtype="float32")
    settings = TrainConfig(epochs=30, batch_size=32, learning_rate=3e-3, dtype="float32")
    history = train(masked, masked, masked.objective(), settings).history
    assert history[-1]["loss"] < history[0]["loss"] - 0.5
    assert abs(before - masked.encoder.encode(TEXTS[:2], dtype="float32")).max() > 0.01
