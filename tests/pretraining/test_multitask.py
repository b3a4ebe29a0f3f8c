"""MASTER: chunks change nothing, keywords are rare words, and what it refuses."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining import MASTER
from pretraining.test_guessing import same_in_chunks, task_of


def test_chunks_give_the_loss_and_gradient_of_the_whole(encoder, texts):
    texts = texts[:12]
    task = task_of(lambda *a: MASTER(*a, [[t[:20], t[-20:]] for t in texts], texts[::-1]), encoder, texts)
    same_in_chunks(task, 200, atol=1e-6)


def test_keywords_are_drawn_one_by_one_by_how_rare_they_are():
    texts = ["one two three six"] + ["two three six"] + ["three six"] * 2 + ["six"] * 4
    encoder = small_transformer(texts, layers=1, width=8, heads=2)
    task = MASTER(encoder, texts, [["one"]] * 8, texts, hidden_share=0.25, whole_words=True)
    features, drawn, number = encoder.tokenize(texts[:1]), Counter(), 800
    words = task._words(features)[0]
    torch.manual_seed(0)
    for _ in range(number):
        chosen = task._keywords(features)
        assert not chosen[[0, -1]].any()
        drawn.update(i for i, word in enumerate(words) if chosen[word].all())
    # they are there 1, 2, 4 and 8 times, and one is drawn
    if all(len(word) == 1 for word in words):
        rates = torch.tensor([1, 1 / 2, 1 / 4, 1 / 8])
        for i, rate in enumerate((rates / rates.sum()).tolist()):
            assert drawn[i] / number == pytest.approx(rate, abs=0.05)
    else:
        pytest.fail("words of one token are needed")


def test_what_cannot_be_is_refused(encoder, texts):
    with pytest.raises(InputError, match="64 passages, 1 with questions, 64 with continuations"):
        MASTER(encoder, texts, [["a"]], texts)
    bare = small_transformer(["a b c"], layers=1, width=8, heads=2)
    bare.tokenizer.num_special_tokens_to_add = lambda: 0
    with pytest.raises(InputError, match="at both ends"):
        MASTER(bare, ["a"], [["b"]], ["c"])
