"""PromptBERT: [MASK] of two templates, each without what it says by itself, contrasted as in SimCSE."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import TemplateEncoder, load
from counterpoint.systems import get
from counterpoint.systems.sentences import promptbert
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

FIRST, SECOND = promptbert.TEMPLATES


def step_on(method, make=steady_bert):
    return step_of_texts(method, ALONE, make=make)


def masked(encoder, text, template, shifted=True):
    """The state of [MASK] by the Hugging Face model: of a text in a template, without that of the template alone."""
    tokenizer, model = encoder.encoder.tokenizer, encoder.encoder.model

    def state(ids, places):
        hidden = model(input_ids=torch.tensor([ids]), position_ids=torch.tensor([places])).last_hidden_state[0]
        return hidden[ids.index(tokenizer.mask_token_id)]

    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in template.split("{}"))
    before, after = [tokenizer.cls_token_id, *before], [*after, tokenizer.sep_token_id]
    inner = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = [*before, *inner, *after]
    places = list(range(len(whole)))
    h = state(whole, places)
    return h - state(before + after, places[: len(before)] + places[len(before) + len(inner) :]) if shifted else h


def sides(step, *, second=SECOND, shifted=True):
    encoder, head = step.network
    texts = [e.anchor for e in ALONE]
    order = step.calls[0]["queries"].columns["sample"].tolist()
    return [
        head(torch.stack([masked(encoder, texts[i], template, shifted) for i in order])) for template in (FIRST, second)
    ]


def test_loss_is_that_of_a_naive_loop_over_denoised_masks():
    step = step_on("promptbert")
    assert step.layers() == ["Linear", "Tanh"]
    same(step, contrast(*sides(step)), rtol=1e-3)
    (call,) = step.calls
    for side, z in zip(("queries", "keys"), sides(step), strict=True):
        torch.testing.assert_close(call[side].z.detach(), z.detach(), rtol=1e-3, atol=1e-4)


def test_the_arms_leave_out_the_denoising_or_the_second_template():
    step = step_on(promptbert.noisy())
    same(step, contrast(*sides(step, shifted=False)), rtol=1e-3)
    step = step_on(promptbert.one_template())
    same(step, contrast(*sides(step, second=FIRST, shifted=False)), rtol=1e-3)
    losses = {step_on(make).loss for make in ("promptbert", promptbert.noisy(), promptbert.one_template())}
    assert len(losses) == 3


def test_dropout_is_left_on():
    step = step_on(promptbert.one_template(), make=small_bert)
    (call,) = step.calls
    assert not torch.isclose(call["queries"].z, call["keys"].z).all(1).any()


def test_at_test_it_is_the_first_template_and_nothing_is_taken_off(tmp_path):
    data = rows_of(ALONE)
    encoder, _ = get("promptbert").method().changed(steps=1, batch_size=8).make(data, encoder=small_bert(data))
    encoder.eval()
    with torch.no_grad():
        wanted = torch.stack([masked(encoder, e.anchor, FIRST, shifted=False) for e in ALONE]).numpy()
    texts = [e.anchor for e in ALONE]
    assert encoder.encode(texts, dtype="float32") == pytest.approx(wanted, abs=1e-4)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.encode(texts, dtype="float32") == pytest.approx(wanted, abs=1e-4)
    # trained on, it is what it is
    assert get("promptbert").method().settle(again) is again


def test_the_signal_is_how_far_both_templates_are_apart():
    data = rows_of(ALONE)
    encoder = TemplateEncoder(steady_bert(data), promptbert.TEMPLATES).eval()
    made = SimpleNamespace(encoder=encoder, test=Data.alone(Items("text", [e.anchor for e in ALONE])))
    with torch.no_grad():
        pairs = [[masked(encoder, e.anchor, t, shifted=False) for t in promptbert.TEMPLATES] for e in ALONE]
    wanted = torch.stack([1 - torch.cosine_similarity(a, b, 0) for a, b in pairs]).mean()
    assert promptbert.apart.of(made) == pytest.approx(float(wanted), rel=1e-2)


def test_arms_have_keys_of_their_own():
    makes = (get("promptbert").method, promptbert.noisy, promptbert.one_template)
    assert len({Trained(make).key for make in makes}) == 3
