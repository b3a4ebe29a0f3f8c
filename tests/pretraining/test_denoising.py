from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining import Denoising

ENCODER = small_transformer(["one two three four"], layers=1, width=16, vocab_size=40, dropout=0.0)
lines = st.lists(st.lists(st.sampled_from(["one", "two", "three"]), max_size=9).map(" ".join), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(lines, st.floats(0, 0.99), st.integers(0, 1000), st.booleans())
def test_deletions_keep_the_order_special_tokens_and_one_other(texts, share, seed, words):
    task = Denoising(ENCODER, texts, share=share, whole_words=words)
    torch.manual_seed(seed)
    inputs = task.payload(torch.arange(len(texts))).inputs
    rows = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    for row, whole in zip(rows, inputs["whole"], strict=True):
        left, rest = row.tolist(), iter(whole[whole >= 0].tolist())
        assert all(token in rest for token in left)
        special = set(ENCODER.tokenizer.all_special_ids)
        assert [t for t in left if t in special] == [t for t in whole.tolist() if t in special]
        if any(t >= 0 and t not in special for t in whole.tolist()):
            assert any(t not in special for t in left)


def test_so_many_are_deleted(texts, encoder):
    task = Denoising(encoder, texts)
    torch.manual_seed(0)
    inputs = task.payload(torch.arange(len(texts))).inputs
    left, whole = len(inputs["input_ids"]) - 2 * len(texts), int((inputs["whole"] >= 0).sum()) - 2 * len(texts)
    assert left / whole == pytest.approx(0.4, abs=0.04)


def test_the_decoder_sees_what_came_before_and_the_vector_and_nothing_else(texts, encoder):
    torch.manual_seed(0)
    task = Denoising(encoder, texts).eval()
    inputs = task.payload(torch.arange(3)).inputs
    states = task(inputs)
    later = dict(inputs, whole=inputs["whole"].clone())
    later["whole"][:, 4] = 9
    changed = (task(later) - states).abs().amax(2) > 1e-6
    assert not changed[:, :4].any()
    assert changed[:, 4].all()
    # the encoder's tokens in another order, with the same vector, are the same to the decoder
    other = dict(inputs, input_ids=torch.full_like(inputs["input_ids"], 7))
    assert ((task(other) - states).abs().amax(2) > 1e-6).all()


def test_the_loss_is_of_the_next_token(texts, encoder):
    torch.manual_seed(0)
    task = Denoising(encoder, texts).eval()
    payload = task.payload(torch.arange(5))
    states, whole = task(payload.inputs), payload.inputs["whole"]
    loss = task.objective()(**payload.arguments(states))
    logits = states @ encoder.model.get_input_embeddings().weight.T + task.bias
    torch.testing.assert_close(
        loss, F.cross_entropy(logits.flatten(0, 1), whole[:, 1:].flatten(), ignore_index=-1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(texts, encoder, share):
    with pytest.raises(InputError, match="share of deleted tokens"):
        Denoising(encoder, texts, share=share)
