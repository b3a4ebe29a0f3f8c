"""Demo-tuning: [MASK] after learned vectors says the class's word, and is like [MASK] after a real demonstration."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import load
from counterpoint.systems import get
from counterpoint.systems.sentences import demo_tuning
from counterpoint.systems.sentences.lm_supcon import TEMPLATES, WORDS
from counterpoint.testbeds import Trained
from counterpoint.testbeds.few_shot import its_words
from encoders.test_adapting import llama
from systems.test_lm_supcon import guessed, long_bert
from systems.test_supcl_seq import LABEL, TEXTS
from systems.through import same
from systems.words import step_of_texts

NAME = "demo-tuning"


def step_on(method, make=long_bert):
    return step_of_texts(method, TEXTS, make=make, n=12)


def masked(encoder, text, shown):
    """By parts of the Hugging Face model: the state of [MASK] after each class's vectors, or its real demonstration."""
    tokenizer, model, template = encoder.encoder.tokenizer, encoder.encoder.model, TEMPLATES[0]

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    row, learned = [tokenizer.cls_token_id], []
    for c, (one, word) in enumerate(zip(shown, WORDS, strict=True)):
        new = ids(template.format(one).replace("[MASK]", word)) if one else [0, 0]
        learned += [] if one else [(len(row) + i, encoder.vectors[c, i]) for i in range(2)]
        row += new
    row += [*ids(template.format(text)), tokenizer.sep_token_id]
    embedded = list(model.embeddings(input_ids=torch.tensor([row]))[0])
    for place, vector in learned:
        embedded[place] = vector
    hidden = model.encoder(torch.stack(embedded)[None])[0][0]
    return hidden[row.index(tokenizer.mask_token_id)]


def sides(step):
    """Labels, and the states of both views, by what was drawn."""
    encoder = step.network[0]
    order = step.calls[0]["queries"].columns["sample"].tolist()
    texts = [TEXTS.anchors.texts[i] for i in order]
    drawn = step.payload.inputs["shown"].tolist()
    assert not any(map(any, drawn[:12]))
    real = [[of[k - 1] if k else "" for of, k in zip(encoder.support, row, strict=True)] for row in drawn[12:]]
    assert all(text not in row for text, row in zip(texts, real, strict=True))
    # of a class that nobody is of, there is none that is real
    assert {sum(map(bool, row)) for row in real} == {0, 1}
    views = [
        torch.stack([masked(encoder, *one) for one in zip(texts, of, strict=True)]) for of in ([[""] * 6] * 12, real)
    ]
    return LABEL[order], views


def test_loss_is_that_of_a_naive_loop_over_virtual_and_real_demonstrations():
    step = step_on(NAME)
    label, (virtual, real) = sides(step)
    cosine = torch.stack([F.cosine_similarity(a, b, dim=0) for a, b in zip(virtual, real, strict=True)]).mean()
    same(step, guessed(step.network[0], virtual, label) + demo_tuning.WEIGHT * (2 - 2 * cosine), rtol=1e-3)
    gradient = step.gradient["0.vectors"]
    assert gradient.shape == (6, demo_tuning.VIRTUAL, 16)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_the_arms_are_not_aligned_or_show_nothing():
    step = step_on(demo_tuning.virtual_alone())
    order = step.calls[0]["queries"].columns["sample"].tolist()
    states = torch.stack([masked(step.network[0], TEXTS.anchors.texts[i], [""] * 6) for i in order])
    same(step, guessed(step.network[0], states, LABEL[order]), rtol=1e-3)
    assert len({Trained(make).key for make in (demo_tuning.demo_tuning, demo_tuning.virtual_alone)}) == 2


def test_at_test_the_learned_vectors_stay(tmp_path):
    encoder, _ = (
        get(NAME).method().changed(steps=2, batch_size=12, learning_rate=0.1).make(TEXTS, encoder=long_bert(TEXTS))
    )
    encoder.eval()
    with torch.no_grad():
        states = torch.stack([masked(encoder, text, [""] * 6) for text in TEXTS.anchors.texts])
        wanted = [int(torch.stack([guessed(encoder, [h], [c]) for c in range(6)]).argmin()) for h in states]
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for one in (encoder, again):
        assert one.encode(TEXTS.anchors.texts, dtype="float32") == pytest.approx(states.numpy(), abs=1e-4)
    assert its_words(SimpleNamespace(encoder=again), TEXTS).tolist() == [str(c) for c in wanted]
    assert get(NAME).method().settle(again) is again


def test_the_signal_is_the_cosine_of_both_masks():
    encoder = demo_tuning.virtually(long_bert(TEXTS)).eval()
    made = SimpleNamespace(encoder=encoder, test=TEXTS)
    encoder.support = tuple(("a real one",) for _ in WORDS)
    drawn = demo_tuning.REAL(TEXTS.anchors, encoder.inputs(TEXTS.anchors), encoder, None, range(12))["shown"]
    found = []
    with torch.no_grad():
        for text, row in zip(TEXTS.anchors.texts, drawn.tolist(), strict=True):
            real = ["a real one" if k else "" for k in row]
            found.append(F.cosine_similarity(masked(encoder, text, [""] * 6), masked(encoder, text, real), dim=0))
    assert demo_tuning.alike.of(made) == pytest.approx(float(torch.stack(found).mean()), rel=1e-4)


def test_a_model_that_knows_no_dropout_gets_some_and_keeps_its_lengths():
    encoder = get(NAME).method().adapt(llama()).train()
    inputs = encoder.tokenize(["a cat"])
    assert not torch.equal(encoder(inputs), encoder(inputs))
    assert not encoder.normalize
