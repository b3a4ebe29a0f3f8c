"""The auto-encoder of nuggets: chunks, and what the decoder can see."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import NuggetEncoder
from counterpoint.errors import InputError
from counterpoint.pretraining import NuggetAutoencoder, guesses
from counterpoint.training import TrainConfig
from counterpoint.training._processes import Processes
from counterpoint.training.loop import _autocast, _backward


def made(encoder, texts, **options):
    torch.manual_seed(1)
    task = NuggetAutoencoder(NuggetEncoder(encoder, 0.2), texts, **options)
    for part in task.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    return task


def test_chunks_give_the_loss_and_gradient_of_the_whole(encoder, texts):
    task, found = made(encoder, texts), []
    for tokens in (1 << 20, 60):
        task.zero_grad()
        config = TrainConfig(dtype="float32", chunk_tokens=tokens)
        given = task.objective(), task.payload(torch.arange(9)), config, _autocast(config, torch.device("cpu"))
        loss, _ = _backward(torch.nn.Sequential(task, torch.nn.Identity()), None, *given, Processes())
        found.append((loss, {name: p.grad.clone() for name, p in task.named_parameters() if p.grad is not None}))
    (whole, once), (parts, twice) = found
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    assert float(once["nuggets.score.0.weight"].norm()) > 0
    for name, gradient in once.items():
        torch.testing.assert_close(twice[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("scored", [True, False])
def test_the_decoder_sees_what_came_before_the_nuggets_and_their_scores(encoder, texts, scored):
    task = made(encoder, texts, scored=scored).eval()
    inputs = task.payload(torch.arange(3)).inputs
    with torch.no_grad():
        states = task(inputs)
        later = dict(inputs, whole=inputs["whole"].clone())
        later["whole"][:, 4] = 9
        changed = (task(later) - states).abs().amax(2) > 1e-6
        assert not changed[:, :4].any()
        assert changed[:, 4].all()
        # twice as far apart, in the same order: the same nuggets
        for part in (task.nuggets.score[2].weight, task.nuggets.score[2].bias):
            part.mul_(2)
        assert ((task(inputs) - states).abs().amax() > 1e-6) == scored


def test_nothing_is_deleted_and_guesses_are_counted(encoder, texts):
    task = made(encoder, texts)
    inputs = task.payload(torch.arange(4)).inputs
    assert len(inputs["input_ids"]) == int((inputs["whole"] >= 0).sum())
    found = guesses(task, encoder.tokenize(texts[:4]))
    assert sorted(found) == ["rebuilt accuracy", "rebuilt floor", "rebuilt loss", "rebuilt perplexity"]


def test_an_encoder_without_nuggets_is_refused(encoder, texts):
    with pytest.raises(InputError, match="only a NuggetEncoder"):
        NuggetAutoencoder(encoder, texts)
