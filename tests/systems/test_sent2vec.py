"""Sent2Vec: each word by the mean of the rest of its sentence and of its bigrams, against ten that are drawn."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.encoders import NGramEncoder, StaticEncoder
from counterpoint.pretraining import LeftOutWords
from counterpoint.systems import get
from counterpoint.systems.sentences import sent2vec
from systems.through import same
from systems.words import ALONE, PAIRS, small_table, step_of_texts

LONG = [type(e)(e.positives[0]) for e in PAIRS]


def step_of(method="sent2vec"):
    """Of a batch."""
    return step_of_texts(method, LONG, n=6)


@pytest.fixture
def told_apart(monkeypatch):
    """A second table whose rows are not all nothing."""
    begin = LeftOutWords.__init__

    def begun(self, *arguments, **options):
        begin(self, *arguments, **options)
        nn.init.normal_(self.output)

    monkeypatch.setattr(LeftOutWords, "__init__", begun)


def loss_of(step, *, bigrams: bool = True) -> torch.Tensor:
    """Of each left-out word and ten others, one after another; the vector is a mean over tokens and bigrams."""
    task, inputs = step.network[0], step.payload.inputs
    table = task.encoder.encoder if bigrams else task.encoder
    (call,) = step.calls
    total = torch.zeros(())
    for m, ids in enumerate(inputs["input_ids"].split(inputs["offsets"].diff().tolist())):
        row = ids.tolist()
        vectors = [table.embedding.weight[t] for t in row]
        if bigrams:
            blocked = set(inputs["blocked"][m].tolist())
            for i in range(len(row) - 1):
                if not {i, i + 1} & blocked:
                    vectors.append(task.encoder.grams.weight[(row[i] * 116049371 + row[i + 1]) % 50_000])
        v = torch.stack(vectors).mean(0)
        words = call["owned"].z[m]
        found = [int((task.output == word).all(1).nonzero()[0]) for word in words]
        total = total + F.softplus(-task.output[found[0]] @ v)
        total = total + sum(F.softplus(task.output[k] @ v) for k in found[1:])
        assert len(found) == 11
    return total / len(call["owned"].z)


@pytest.mark.usefixtures("told_apart")
def test_loss_is_that_of_a_naive_loop_over_left_out_words():
    step = step_of()
    same(step, loss_of(step), rtol=1e-3)
    assert {"0.output", "0.encoder.grams.weight", "0.encoder.encoder.embedding.weight"} == step.gradient.keys()
    (call,) = step.calls
    assert call["owned"].columns["positive"].sum(1).eq(1).all()


@pytest.mark.usefixtures("told_apart")
def test_without_bigrams_the_mean_is_of_words_alone():
    step = step_of("sent2vec-unigrams")
    assert isinstance(step.network[0].encoder, StaticEncoder)
    same(step, loss_of(step, bigrams=False), rtol=1e-3)


def test_a_left_out_word_is_seen_by_no_context_of_its_own():
    step = step_of()
    task = step.network[0]
    whole = [row.tolist() for row in task._features["input_ids"].split(task._features["offsets"].diff().tolist())]
    inputs = step.payload.inputs
    for row in (r.tolist() for r in inputs["input_ids"].split(inputs["offsets"].diff().tolist())):
        assert row.count(task._placeholder) == 1
        assert any(len(text) == len(row) and sum(a != b for a, b in zip(text, row, strict=True)) == 1 for text in whole)
    assert (inputs["blocked"] >= 0).sum(1).eq(2).all()


def test_its_numbers_are_those_of_the_authors_code():
    data = rows_of(LONG)
    method = get("sent2vec").method()
    encoder = method.settle(method.started(data, 0), 0)
    assert encoder.encoder.embedding.weight.shape[1] == 100
    assert 0.009 < float(encoder.grams.weight.detach().abs().max()) <= 0.01
    assert isinstance(encoder, NGramEncoder)
    assert (encoder.n, encoder.normalize, method.adapt(encoder)) == (2, False, encoder)
    task = method.stages[0].task(data, encoder)
    assert (task._drawn, task._window) == (10, None)
    often = Counter(task.encoder.tokenize(data.anchors.texts)["input_ids"].tolist())
    word, times = often.most_common(1)[0]
    f = times / sum(often.values())
    assert float(task._chance[word]) == pytest.approx((1e-4 / f) ** 0.5 + 1e-4 / f)
    assert float(task._often[word]) == pytest.approx(times**0.5)
    assert not task.output.any()


def test_the_baseline_sees_a_window_without_bigrams():
    step = step_of(sent2vec.window())
    assert isinstance(step.network[0].encoder, StaticEncoder)
    assert step.network[0]._window == 5
    word = torch.bincount(step.network[0]._features["input_ids"]).double()
    torch.testing.assert_close(step.network[0]._often[: len(word)], word**0.75)


@pytest.mark.usefixtures("told_apart")
def test_with_the_mechanism_off_words_have_changed_places():
    data = rows_of(LONG)
    other = sent2vec.mixed(data, nn.Identity(), 0)
    before, after = (part.anchors.texts for part in (data, other))
    assert [len(text.split()) for text in before] == [len(text.split()) for text in after]
    assert Counter(" ".join(before).split()) == Counter(" ".join(after).split())
    assert list(before) != list(after)
    step = step_of(sent2vec.of_mixed_words())
    assert step.loss != pytest.approx(step_of().loss, rel=1e-5)


def test_every_sentence_is_learned_from_even_without_pairs():
    assert len(LeftOutWords(small_table(rows_of(ALONE)), rows_of(ALONE).anchors.texts)) == len(ALONE)
