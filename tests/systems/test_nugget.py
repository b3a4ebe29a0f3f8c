"""Nugget: a tenth of a text's tokens is what a decoder reads of it, and their scores are added where it looks."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import NuggetEncoder, TransformerEncoder
from counterpoint.systems import get
from counterpoint.systems.sentences import nugget
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.nuggets import score_spread
from systems.through import same
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

TEXTS = [
    Example(" ".join(f"the {k} and the {KINDS[i - j]} sleep all night ," for j, k in enumerate(KINDS[: 1 + i % 3])))
    for i in range(len(KINDS))
]


@pytest.fixture(autouse=True)
def no_dropout(monkeypatch):
    """A second forward would draw other masks in the decoder."""
    monkeypatch.setattr(nn, "TransformerDecoderLayer", partial(nn.TransformerDecoderLayer, dropout=0.0))


def step_of(method="nugget", *, make=steady_bert):
    return step_of_texts(method, TEXTS, make=make, n=6)


def attended(layer, x, nuggets, scores) -> torch.Tensor:
    """What the cross-attention of a layer adds, head by head."""
    part, heads = layer.multihead_attn, layer.multihead_attn.num_heads
    w, b = part.in_proj_weight.chunk(3), part.in_proj_bias.chunk(3)
    q, k, v = (y @ m.T + c for y, m, c in zip((x, nuggets, nuggets), w, b, strict=True))
    size, found = q.shape[1] // heads, []
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        logits = q[:, own] @ k[:, own].T / math.sqrt(size) + scores
        found.append(torch.softmax(logits, 1) @ v[:, own])
    return part.out_proj(torch.cat(found, 1))


def loss_of(step, *, fed=True, evenly=False) -> torch.Tensor:
    """Text by text and layer by layer."""
    task, inputs = step.network[0], step.payload.inputs
    encoder, bert = task.nuggets, task.encoder.model
    table, losses = bert.get_input_embeddings().weight, []
    for ids in inputs["input_ids"].split(inputs["offsets"].diff().tolist()):
        states = bert(input_ids=ids[None]).last_hidden_state[0]
        f = encoder.before.model(input_ids=ids[None]).last_hidden_state[0]
        first, _, last = encoder.score
        scores = ((f @ first.weight.T + first.bias).clamp_min(0) @ last.weight.T + last.bias)[:, 0]
        most = math.ceil(len(ids) / 10)
        best = sorted(sorted(range(len(ids)), key=lambda i, s=scores: -float(s.detach()[i]))[:most])
        if evenly:
            best = [i for i in range(len(ids)) if (i + 1) * most // len(ids) > i * most // len(ids)]
        told = scores[best] if fed and not evenly else torch.zeros(most)
        x = table[ids[:-1]] + task.position.weight[: len(ids) - 1]
        unseen = torch.full((len(x), len(x)), -math.inf).triu(1)
        for layer in task.decoder.layers:
            x = layer.norm1(x + layer.self_attn(x, x, x, attn_mask=unseen, need_weights=False)[0])
            x = layer.norm2(x + attended(layer, x, states[best], told))
            x = layer.norm3(x + layer.linear2(layer.activation(layer.linear1(x))))
        logits = task.transform(x) @ table.T + task.bias
        losses.append(F.cross_entropy(logits, ids[1:], reduction="none"))
    return torch.cat(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_texts_and_their_nuggets():
    step = step_of()
    same(step, loss_of(step), rtol=1e-3)
    assert float(step.gradient["0.nuggets.score.0.weight"].norm()) > 0
    # longer texts have more nuggets
    counts = step.network[0].nuggets.padded(step.payload.inputs)[1].isfinite().sum(1)
    assert len(set(counts.tolist())) > 1


def test_scores_that_are_not_fed_learn_nothing():
    step = step_of(nugget.by_chance())
    same(step, loss_of(step, fed=False), rtol=1e-3)
    assert "0.nuggets.score.0.weight" not in step.gradient


def test_tokens_at_even_distances_have_no_scores():
    step = step_of(nugget.evenly())
    same(step, loss_of(step, evenly=True), rtol=1e-3)
    assert "0.nuggets.score.0.weight" not in step.gradient


def test_what_scores_are_read_from_stays_as_the_encoder_was():
    encoder = small_bert(rows_of(TEXTS))
    before = {name: p.clone() for name, p in encoder.model.named_parameters()}
    step = step_of(make=lambda data: encoder)
    trained = step.network[0].nuggets
    assert not any(name.startswith("0.nuggets.before") for name in step.gradient)
    for name, p in trained.before.model.named_parameters():
        assert torch.equal(p, before[name])
    assert not torch.equal(encoder.model.get_input_embeddings().weight, before["embeddings.word_embeddings.weight"])


def test_a_vector_is_the_mean_of_the_nuggets_as_they_are():
    method = get("nugget").method()
    encoder = method.settle(steady_bert(rows_of(TEXTS)))
    assert isinstance(encoder, NuggetEncoder)
    assert (encoder.ratio, encoder.layers, encoder.normalize) == (0.1, 3, False)
    assert method.adapt(encoder) is encoder
    inputs = encoder.tokenize([e.anchor for e in TEXTS[:3]])
    nuggets, scores = encoder.padded(inputs)
    means = [row[own.isfinite()].mean(0) for row, own in zip(nuggets, scores, strict=True)]
    torch.testing.assert_close(encoder(inputs), torch.stack(means))


def test_one_vector_is_of_the_whole_text():
    step = step_of(nugget.one_vector())
    task = step.network[0]
    assert type(task).__name__ == "Denoising"
    assert isinstance(task.encoder, TransformerEncoder)
    assert len(step.payload.inputs["input_ids"]) == int((step.payload.inputs["whole"] >= 0).sum())


def test_the_signal_is_the_spread_of_scores():
    encoder = nugget.nuggets(steady_bert(rows_of(TEXTS)))
    data = rows_of(TEXTS)
    scores = encoder.scores(encoder.tokenize([e.anchor for e in TEXTS]))
    assert score_spread.of(Made("one", encoder, (data, data), 0)) == pytest.approx(float(scores.detach().std()))
