"""CLEAR: which words are gone or moved in each view, and NT-Xent behind an MLP."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.sentences import clear
from systems.through import same
from systems.words import ALONE, small_bert, steady_bert, step_of_texts

LONG = [replace(e, anchor=f"{e.anchor} in the deep dark wood near one river of gold") for e in ALONE]
LONG += [replace(LONG[0], anchor=clear.MARK)]  # not in a batch: the vocabulary is to have it
WORDS, LEFT = 14, 4


def nt_xent(first, second):
    """Each view's cross-entropy against its other view, among all but itself: a loop over each."""
    every, n, total = [*first, *second], len(first), torch.zeros(())
    for i, z in enumerate(every):
        s = {j: F.cosine_similarity(z, k, dim=0) / 0.1 for j, k in enumerate(every) if j != i}
        total = total + (torch.logsumexp(torch.stack(list(s.values())), 0) - s[(i + n) % (2 * n)]) / (2 * n)
    return total


@pytest.mark.parametrize("name", ["clear", *get("clear").variants])
def test_loss_is_that_of_a_naive_loop_over_both_views(name):
    step = step_of_texts(name, LONG, make=steady_bert, n=6)
    same(step, nt_xent(*step.z()), rtol=1e-3)
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    assert step.network[0].pooling == "cls"


def seen(name):
    """Of each text of both views, one view after the other: its words, and those of its sentence."""
    step = step_of_texts(name, LONG, make=small_bert, n=6)
    encoder, inputs, (call,) = step.network[0], step.payload.inputs, step.calls
    texts = [
        encoder.tokenizer.decode(inputs["input_ids"][a:b], skip_special_tokens=True).replace("[ del ]", clear.MARK)
        for a, b in pairwise(inputs["offsets"].tolist())
    ]
    rows = call["queries"].columns["sample"].tolist()
    return [(text.split(), LONG[row].anchor.split()) for text, row in zip(texts, rows * 2, strict=True)]


def apart(name):
    """Of each view the words that are left, those of the sentence, and the marks in the text."""
    return [([word for word in text if word != clear.MARK], whole, text) for text, whole in seen(name)]


def test_seven_words_in_ten_are_gone_in_both_views_and_a_mark_stands_for_each_run():
    for kept, whole, text in apart("clear"):
        assert len(whole) == WORDS
        assert len(kept) == LEFT
        assert [word for word in whole if word in kept] == kept
        # marks stand between what is left, and at the ends
        assert 1 <= text.count(clear.MARK) <= LEFT + 1
        assert not any(a == b == clear.MARK for a, b in pairwise(text))


def test_spans_are_gone_in_both_views():
    for kept, whole, text in apart("CLEAR, del-span"):
        assert [word for word in whole if word in kept] == kept
        # five spans of one word, of which some may be the same
        assert WORDS - 5 <= len(kept) < WORDS - 1
        assert clear.MARK in text


@pytest.mark.parametrize(("name", "left"), [("CLEAR, del-word and reorder", 4), ("CLEAR, del-span and reorder", 9)])
def test_what_is_left_is_moved_too(name, left):
    views = apart(name)
    assert all(left <= len(kept) < min(left + 4, WORDS) for kept, _, _ in views)
    assert sum([word for word in whole if word in kept] != kept for kept, whole, _ in views) >= 6


def test_views_differ_and_without_them_dropout_does():
    step = step_of_texts("clear", LONG, make=small_bert, n=6)
    texts = [text for text, _ in seen("clear")]
    assert sum(a != b for a, b in zip(texts[:6], texts[6:], strict=True)) >= 5
    assert step.network[0].training
    off = step_of_texts(clear.unchanged(), LONG, make=small_bert, n=6)
    ids, offsets = off.payload.inputs["input_ids"], off.payload.inputs["offsets"]
    assert torch.equal(ids[: offsets[6]], ids[offsets[6] :])
    (call,) = off.calls
    assert not torch.allclose(call["queries"].z, call["keys"].z)
