"""DenoSent: noisy sentences find the original, and tell a decoder its tokens."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.generating import Generator, Rules
from counterpoint.systems import get
from counterpoint.systems.sentences import denosent
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

DATA = rows_of(ALONE)


def pairs(seed=0) -> Data:
    """Noisy texts with the texts as they were, as the steps before training make them."""
    data = DATA
    for step in get("denosent").method().stages[0].prepare:
        data = step(data, get("denosent").method().adapt(steady_bert(DATA)), seed)
    return data


def step_on(method="denosent", make=steady_bert):
    return step_of_texts(method, DATA, make=make)


@pytest.fixture
def _steady(monkeypatch):
    for name in ("decoder", "well_read"):
        monkeypatch.setattr(denosent, name, steady(getattr(denosent, name)))


def steady(make):
    """A decoder that drops nothing, in or before it."""

    def made(width):
        procedure = make(width)
        for part in procedure.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
        return procedure

    return made


def framed(encoder, text):
    """A text in the template, as the Hugging Face tokenizer reads it."""
    before, after = denosent.TEMPLATE.split("{}")
    tokenizer, tokens = encoder.tokenizer, list[int]()
    for part in (before, text, after):
        tokens += tokenizer(part, add_special_tokens=False)["input_ids"]
    return torch.tensor([tokenizer.cls_token_id, *tokens, tokenizer.sep_token_id])


def masked(encoder, text):
    ids = framed(encoder, text)
    hidden = encoder.model(input_ids=ids[None]).last_hidden_state[0]
    return hidden[ids.tolist().index(encoder.tokenizer.mask_token_id)]


def written(step, h, text):
    """Minus the logarithm of each token's probability, by a decoder of attention written out."""
    encoder, told = step.network[0].encoder, step.procedure
    ids = framed(encoder, text)
    x = encoder.model.embeddings(ids[None])[0].detach()
    for layer in told.decoder.layers:
        own, cross = layer.self_attn, layer.multihead_attn
        q, k, v = (x @ own.in_proj_weight.T + own.in_proj_bias).chunk(3, 1)
        x = layer.norm1(x + own.out_proj(torch.softmax(q @ k.T / x.shape[1] ** 0.5, 1) @ v))
        # of one vector that there is to attend to, all is attended to
        value = cross.in_proj_weight[-x.shape[1] :] @ h + cross.in_proj_bias[-x.shape[1] :]
        x = layer.norm2(x + cross.out_proj(value))
        x = layer.norm3(x + layer.linear2(torch.relu(layer.linear1(x))))
    first, _, last = told.transform
    scores = last(F.gelu(first(x))) @ encoder.model.embeddings.word_embeddings.weight.T + told.bias
    return -scores.log_softmax(1)[torch.arange(len(ids)), ids]


def terms(step):
    """Both of them, a text at a time."""
    data, (encoder, head) = pairs(), step.network
    order = step.calls[0]["queries"].columns["sample"]
    order = order[: len(order) if "term" not in step.calls[0]["queries"].columns else 8].tolist()
    noisy, clean = ([side.texts[i] for i in order] for side in (data.anchors, data.others))
    first, second = (head(torch.stack([masked(encoder.encoder, t) for t in side])) for side in (noisy, clean))
    if step.procedure is None:
        return contrast(first, second), 0.0
    return contrast(first, second), torch.cat([written(step, h, t) for h, t in zip(first, clean, strict=True)]).mean()


@pytest.mark.usefixtures("_steady")
def test_loss_is_that_of_a_naive_loop_over_pairs_and_tokens():
    step = step_on()
    con, gen = terms(step)
    same(step, 5 * con + 7 * gen, rtol=1e-3)
    # what is told of the original reaches the projector by the noisy one's vector
    slope = torch.autograd.grad(terms(step)[1], list(step.network[1].parameters()))
    assert max(float(g.norm()) for g in slope) > 1e-3


@pytest.mark.usefixtures("_steady")
@pytest.mark.parametrize("arm", ["without_denoising", "without_contrast", "without_continuous_noise"])
def test_arms_leave_out_what_they_say(arm):
    step = step_on(getattr(denosent, arm)())
    con, gen = terms(step)
    same(step, 5 * con if arm == "without_denoising" else 7 * gen, rtol=1e-3)


def test_the_noisy_text_is_the_anchor_and_the_target_is_the_text_in_its_template():
    data, encoder = pairs(), steady_bert(DATA)
    assert data.others.texts == [e.anchor for e in ALONE]
    assert torch.equal(data.anchor, torch.arange(12))
    assert torch.equal(data.positives[:, 0], torch.arange(12))
    for noisy, text, row in zip(data.anchors.texts, data.others.texts, data.columns["tokens"], strict=True):
        assert noisy != text
        assert set(noisy.split()) <= set(text.split())
        assert torch.equal(row[row >= 0], framed(encoder, text))


def test_dropout_is_left_on_and_hides_most_of_what_the_decoder_reads():
    step = step_on(make=small_bert)
    assert step.procedure.noise.p == 0.825
    assert step.network[0].training
    assert step.procedure.training
    assert denosent.well_read(4).noise.p == 0.0
    (call,) = step.calls
    assert not torch.isclose(call["queries"].z[:8], call["keys"].z[:8]).all(1).any()


def test_a_translator_may_make_the_noise():
    turned = Rules(lambda prompt, draw: " ".join(reversed(prompt.split("\n")[-1].split()[:-1])))
    method = denosent.with_generator(Generator(turned))
    step = step_of_texts(method, DATA, make=steady_bert)
    encoder, seen = step.network[0], step.payload.inputs
    texts = [encoder.encoder.tokenizer.decode(row) for row in seen["input_ids"].split(seen["offsets"].diff().tolist())]
    assert all(len(noisy.split()) == len(text.split()) - 2 for noisy, text in zip(texts[:8], texts[8:], strict=True))


def test_the_authors_numbers_stand_in_the_recipe():
    stage = get("denosent").method().stages[0]
    assert stage.objective().weights == (1.0, 7.0)
    assert stage.objective().objectives[0].objective.weights == (5.0,)
    made = stage.procedure(16)
    assert (len(made.decoder.layers), made.decoder.layers[0].self_attn.num_heads, made.ahead) == (2, 1, False)
    train = stage.train
    assert (train.steps, train.batch_size, train.learning_rate, train.schedule, train.warmup) == (
        5000, 64, 4e-5, "constant", 0.1
    )  # fmt: skip
    makes = (get("denosent").method, *(getattr(denosent, n) for n in (
        "without_denoising", "without_contrast", "without_continuous_noise")))  # fmt: skip
    assert len({Trained(make).key for make in makes}) == 4
