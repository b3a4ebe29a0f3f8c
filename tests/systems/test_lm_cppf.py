"""LM-CPPF: the prompt of a text and that of its paraphrase, whose masks attract each other by class."""

from __future__ import annotations

import pytest
import torch

from counterpoint.generating import Generator, Rules
from counterpoint.systems import get
from counterpoint.systems.sentences import lm_cppf
from counterpoint.testbeds import Trained
from systems.test_lm_supcon import WORDS, attracted, guessed, masked, step_on
from systems.test_supcl_seq import LABEL, TEXTS
from systems.through import same

NAMES = ("lm-cppf", "lm-cppf-without-demonstrations")


def turned(text):
    """A paraphrase of known words."""
    return " ".join(reversed(text.split()))


@pytest.fixture(autouse=True)
def _written(monkeypatch):
    generator = Generator(Rules(lambda prompt, draw: turned(prompt.split("\n")[-1])))
    monkeypatch.setattr(lm_cppf, "writer", lambda: generator)


def sides(step, other=turned):
    """Labels, and the states of a text and of its other, after the demonstrations that were drawn."""
    encoder, inputs = step.network[0], step.payload.inputs
    order = step.calls[0]["queries"].columns["sample"].tolist()
    assert not inputs["template"].any()
    states = []
    for place, row in enumerate(inputs["shown"].tolist()):
        text = TEXTS.anchors.texts[order[place % 12]]
        shown = [of[k - 1] if k > 0 else "" for of, k in zip(encoder.support, row, strict=True)]
        # demonstrations are as they are, and none is the text
        assert text not in shown
        said = text if place < 12 else other(text)
        states.append(masked(encoder, said, 0, shown or [""] * len(WORDS)))
    return LABEL[order], torch.stack(states).split(12)


def projected(step, states):
    layer = step.network[1].heads[0][0]
    return torch.tanh(torch.cat(states) @ layer.weight.T + layer.bias)


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_both_turns_are_those_of_a_naive_loop(name):
    first, second = step_on(name), step_on(name, steps=2)
    label, states = sides(first)
    assert first.layers() == ["Linear", "Tanh", "Identity"]
    assert not torch.isclose(*states, atol=1e-3).all(1).any()
    same(first, attracted(projected(first, states), label), rtol=1e-3)
    label, states = sides(second)
    # the words are asked of the text as it is
    same(second, guessed(second.network[0], states[0], label), rtol=1e-3)
    train = get(name).method().stages[0].train
    assert (train.steps, train.batch_size) == (2000, 40)


def test_demonstrations_are_drawn_for_each_prompt():
    first, second = step_on(NAMES[0]).payload.inputs["shown"].split(12)
    assert not torch.equal(first, second)
    assert step_on(NAMES[1]).network[0].support == ()


def seen(step):
    """The tokens of each text that is put into prompts."""
    inputs = step.payload.inputs
    return [row.tolist() for row in inputs["input_ids"].split(inputs["offsets"].diff().tolist())]


def test_words_of_the_other_arm_are_swapped():
    rows = seen(step_on(lm_cppf.altered()))
    changed = [(one, other) for one, other in zip(rows[:12], rows[12:], strict=True) if one != other]
    assert changed
    for one, other in changed:
        assert sorted(one) == sorted(other)
        assert other[1:-1] != one[-2:0:-1]


def test_paraphrases_are_further_texts_of_their_class():
    step = step_on(lm_cppf.more_data())
    encoder, order = step.network[0], step.calls[0]["queries"].columns["sample"].tolist()
    texts = [TEXTS.anchors.texts[i] for i in order]
    plain = [encoder.encoder.tokenizer(text)["input_ids"] == row for text, row in zip(texts, seen(step), strict=True)]
    assert 0 < sum(plain) < 12
    said = [text if own else turned(text) for text, own in zip(texts, plain, strict=True)]
    states = torch.stack([masked(encoder, one, 0, [""] * len(WORDS)) for one in said])
    same(step, guessed(encoder, states, LABEL[order]), rtol=1e-3)
    assert step.layers() == ["Identity"]


def test_arms_have_keys_of_their_own():
    makes = (lm_cppf.lm_cppf, lm_cppf.without_demonstrations, lm_cppf.altered, lm_cppf.more_data)
    assert len({Trained(make).key for make in makes}) == 4


def test_a_generator_writes_after_known_paraphrases():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        return turned(prompt.split("Original: ")[-1].split("\n")[0])

    step = step_on(lm_cppf.with_generator(Generator(Rules(write)), {"it rains {now}": "rain falls"}))
    label, states = sides(step)
    same(step, attracted(projected(step, states), label), rtol=1e-3)
    assert len(asked) == 12
    known = "Original: it rains {now}\nParaphrase: rain falls\nOriginal: "
    assert all(prompt.count(known) == 1 and prompt.endswith("\nParaphrase:") for prompt in asked)


def test_what_cannot_be_said_otherwise_stays(monkeypatch):
    monkeypatch.setattr(lm_cppf, "writer", lambda: Generator(Rules(lambda prompt, draw: "")))
    step = step_on(NAMES[1])
    label, states = sides(step, other=str)
    same(step, attracted(projected(step, states), label), rtol=1e-3)
