"""Words guessed from the rest of their text: which are asked for, what is seen, what is drawn against them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import NGramEncoder, StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining import LeftOutWords
from counterpoint.training import TrainConfig, train

TEXTS = ["red cat sleeps here now", "red dog", "red", "red owl eats some mice at night"]


def made(**options) -> LeftOutWords:
    torch.manual_seed(0)
    encoder = StaticEncoder.from_corpus(TEXTS, dim=4, normalize=False)
    task = LeftOutWords(encoder, TEXTS, **({"threshold": 1.0} | options))
    torch.nn.init.normal_(task.output)
    return task


def rows_of(features) -> list[list[int]]:
    return [row.tolist() for row in features["input_ids"].split(features["offsets"].diff().tolist())]


def test_the_loss_is_a_naive_loop_over_left_out_words():
    task = made(drawn=3)
    payload = task.payload(torch.tensor([0, 2]))
    call = payload.arguments(task(payload.inputs))
    loss = task.objective(3)(**call)
    texts = rows_of({**task._features})
    whole = [texts[i] for i in (0, 2) for _ in texts[i]]  # with a threshold of 1 each word is left out
    total, table = torch.zeros(()), task.encoder.embedding.weight
    assert len(whole) == len(call["owned"].z) == 12
    for m, (seen, was) in enumerate(zip(rows_of(payload.inputs), whole, strict=True)):
        (place,) = [i for i, (a, b) in enumerate(zip(seen, was, strict=True)) if a != b]
        v = table[torch.tensor(seen)].mean(0)
        drawn = [i for k in call["owned"].z[m, 1:] for i in (task.output == k).all(1).nonzero()[:, 0].tolist()]
        assert len(drawn) == 3
        assert was[place] not in drawn
        total = total + F.softplus(-task.output[was[place]] @ v)
        total = total + sum(F.softplus(task.output[k] @ v) for k in drawn)
    torch.testing.assert_close(loss, total / 12)
    for parameter in (table, task.output):
        found, wanted = (torch.autograd.grad(x, parameter, retain_graph=True)[0] for x in (loss, total / 12))
        torch.testing.assert_close(found, wanted)


def test_frequent_words_are_left_out_less_often_and_texts_of_one_word_never():
    task = made(threshold=0.02)
    assert len(task) == 3
    red = task.encoder.tokenize(["red"])["input_ids"].item()
    asked, seen = 0, 0
    for _ in range(300):
        payload = task.payload(torch.arange(3))
        before = [row.count(red) for row in rows_of(payload.inputs)]
        asked, seen = asked + before.count(0), seen + 3
    f = 4 / 15  # of fifteen words
    assert asked / seen == pytest.approx(math.sqrt(0.02 / f) + 0.02 / f, abs=0.05)


def test_drawn_words_follow_their_frequency():
    task = made(drawn=5)
    red, dog = (task.encoder.tokenize([w])["input_ids"].item() for w in ("red", "dog"))
    drawn = task._against(torch.full((4000,), dog))
    times = torch.bincount(drawn.flatten(), minlength=len(task.output)).double()
    assert times[dog] == 0
    # 12 words once, one four times, but for the one that is asked for
    assert float(times[red] / times.sum()) == pytest.approx(2 / (2 + 10), abs=0.01)


def test_tokens_are_blocked_but_two_and_only_of_n_grams():
    torch.manual_seed(0)
    encoder = NGramEncoder(StaticEncoder.from_corpus(TEXTS, dim=4, normalize=False), 7)
    task = LeftOutWords(encoder, TEXTS, threshold=1.0, blocked=3)
    inputs = task.payload(torch.arange(3)).inputs
    for row, blocked in zip(rows_of(inputs), inputs["blocked"].tolist(), strict=True):
        some = [place for place in blocked if place >= 0]
        assert len(some) == len(set(some)) == min(3, len(row) - 2)
        assert set(some) <= set(range(len(row)))
    assert "blocked" not in made(blocked=3).payload(torch.arange(3)).inputs


def test_a_window_is_so_many_words_to_either_side():
    task = made(window=1)
    inputs = task.payload(torch.tensor([0, 2])).inputs
    assert sorted(map(len, rows_of(inputs))) == [2] * 4 + [3] * 8
    for row in rows_of(inputs):
        assert row.count(task._placeholder) == 1


def test_in_chunks_it_learns_the_same():
    settings = TrainConfig(steps=3, batch_size=3, dtype="float32", learning_rate=0.1)
    whole, chunked = (made(drawn=3) for _ in range(2))
    train(whole, whole, whole.objective(3), settings)
    train(chunked, chunked, chunked.objective(3), replace(settings, chunk_tokens=8))
    for a, b in zip(whole.parameters(), chunked.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(InputError, match="no text has two tokens"):
        LeftOutWords(made().encoder, ["red", ""])
    with pytest.raises(InputError, match="table of token vectors"):
        LeftOutWords(small_transformer(TEXTS, layers=1, width=8, heads=2), TEXTS)
