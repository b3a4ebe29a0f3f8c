"""LM-SupCon: two prompts of each text, whose masks attract each other by class and say its word, in turn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import load
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import lm_supcon
from counterpoint.systems.sentences.lm_supcon import TEMPERATURE, TEMPLATES, WORDS
from counterpoint.testbeds import Trained
from counterpoint.testbeds.few_shot import its_words
from systems.test_supcl_seq import LABEL, TEXTS
from systems.through import same
from systems.words import small_table, step_of_texts, texts

NAMES = ("lm-supcon", "lm-supcon-without-demonstrations")


def long_bert(data, dropout=0.0):
    """It reads a text and six demonstrations, and knows what prompts say."""
    from counterpoint.encoders.scratch import small_transformer

    known = [*texts(data), *(template.format("") for template in TEMPLATES), " ".join(WORDS)]
    options = {"vocab_size": 300, "max_seq_length": 256, "normalize": False, "dropout": dropout}
    return small_transformer(known, layers=1, width=16, heads=2, spread=0.25, **options)


def step_on(method, steps=1, make=long_bert):
    return step_of_texts(method, TEXTS, make=make, n=12, steps=steps)


def masked(encoder, text, number, shown):
    """By the Hugging Face model: the state of [MASK] after the demonstrations of each class."""
    tokenizer, template = encoder.encoder.tokenizer, TEMPLATES[number]
    front = [
        template.format(text_of).replace("[MASK]", word) for text_of, word in zip(shown, WORDS, strict=True) if text_of
    ]
    ids = tokenizer(" ".join([*front, template.format(text)]), return_tensors="pt")["input_ids"]
    hidden = encoder.encoder.model(input_ids=ids).last_hidden_state[0]
    return hidden[ids[0].tolist().index(tokenizer.mask_token_id)]


def sides(step):
    """Labels, and the states of both views, by what they drew."""
    encoder, inputs = step.network[0], step.payload.inputs
    order = step.calls[0]["queries"].columns["sample"].tolist() * 2
    template, drawn = inputs["template"].tolist(), inputs["shown"].tolist()
    states = []
    for i, number, row in zip(order, template, drawn, strict=True):
        shown = [of[k - 1] if k > 0 else "" for of, k in zip(encoder.support, row, strict=True)]
        assert TEXTS.anchors.texts[i] not in shown
        states.append(masked(encoder, TEXTS.anchors.texts[i], number, shown or [""] * len(WORDS)))
    return LABEL[order[:12]], torch.stack(states).split(12)


def attracted(z, label):
    """The mean over points of the mean over their class of minus the logarithm of the softmax."""
    z, label, total = F.normalize(z, dim=1), label.repeat(2), torch.zeros(())
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        logits = torch.stack([z[i] @ z[j] for j in others]) / TEMPERATURE
        total = total - logits.log_softmax(0)[label[others] == label[i]].mean() / len(z)
    return total


def guessed(encoder, states, label):
    """The cross-entropy of the words, whose vectors are the mean of those of their tokens."""
    table, tokenizer = encoder.encoder.model.get_input_embeddings().weight, encoder.encoder.tokenizer
    words = [table[tokenizer(word, add_special_tokens=False)["input_ids"]].mean(0) for word in WORDS]
    rows = [torch.stack([h @ word for word in words]).log_softmax(0)[c] for h, c in zip(states, label, strict=True)]
    return -torch.stack(rows).mean()


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_both_turns_are_those_of_a_naive_loop(name):
    first, second = step_on(name), step_on(name, steps=2)
    label, states = sides(first)
    assert first.layers() == ["Linear", "Tanh", "Identity"]
    layer = first.network[1].heads[0][0]
    z = torch.tanh(torch.cat(states) @ layer.weight.T + layer.bias)
    same(first, attracted(z, label), rtol=1e-3)
    label, states = sides(second)
    same(second, guessed(second.network[0], states[0], label), rtol=1e-3)
    # the batch is the same, the weights are those after a step of contrast
    assert torch.equal(*(step.calls[0]["queries"].columns["sample"] for step in (first, second)))
    assert not torch.equal(*(step.network[1].heads[0][0].weight for step in (first, second)))


def test_the_first_view_is_in_the_first_template_and_the_second_in_any():
    for name in NAMES:
        first, second = step_on(name).payload.inputs["template"].split(12)
        assert not first.any()
        assert len(second.unique()) > 1
    first, second = step_on(NAMES[0]).payload.inputs["shown"].split(12)
    assert not torch.equal(first, second)
    # of classes that nobody is of there are none, and one text of three is left out: itself
    assert set(first[:, :3].flatten().tolist()) == {1, 2, 3, 4}
    assert step_on(NAMES[1]).network[0].support == ()


def test_arms_leave_out_the_contrast_or_the_other_template():
    step = step_on(lm_supcon.prompt_tuned())
    label = step.calls[0]["queries"].columns["label"]
    order = step.calls[0]["queries"].columns["sample"].tolist()
    encoder = step.network[0]
    states = torch.stack([masked(encoder, TEXTS.anchors.texts[i], 0, [""] * len(WORDS)) for i in order])
    same(step, guessed(encoder, states, label), rtol=1e-3)
    assert "template" not in step_on(lm_supcon.another_dropout()).payload.inputs
    makes = (
        get(NAMES[0]).method,
        *map(vars(lm_supcon).get, ("without_demonstrations", "prompt_tuned", "another_dropout")),
    )
    assert len({Trained(make).key for make in makes}) == 4


def test_the_class_is_the_word_that_the_mask_says(tmp_path):
    encoder, _ = get(NAMES[0]).method().changed(steps=2, batch_size=12).make(TEXTS, encoder=long_bert(TEXTS))
    encoder.eval()
    shown = [of[0] if of else "" for of in encoder.support]
    with torch.no_grad():
        states = torch.stack([masked(encoder, text, 0, shown) for text in TEXTS.anchors.texts])
        wanted = [int(torch.stack([guessed(encoder, [h], [c]) for c in range(6)]).argmin()) for h in states]
    assert its_words(SimpleNamespace(encoder=encoder), TEXTS).tolist() == [str(c) for c in wanted]
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.allclose(again.encode(TEXTS.anchors.texts, dtype="float32"), states, atol=1e-4)
    # trained on, it is what it is
    assert get(NAMES[0]).method().settle(again) is again


def test_tables_of_tokens_are_refused():
    with pytest.raises(InputError, match="a template needs a transformer"):
        step_on(NAMES[0], make=small_table)


def test_dropout_is_left_on():
    step = step_on(lm_supcon.another_dropout(), make=lambda data: long_bert(data, dropout=0.1))
    (call,) = step.calls
    assert not torch.isclose(call["queries"].z, call["keys"].z).all(1).any()
