"""Small Czech embeddings: an English teacher's vectors for both languages, or RetroMAE, and then SimCSE."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.methods import teachers
from counterpoint.systems import get
from counterpoint.systems.sentences import czech
from systems.through import same
from systems.words import PAIRS, TUPLES, contrast, steady_bert, step_of_texts

NAME = "small-czech-embeddings"


class Hashed:
    """A teacher of random vectors."""

    def encode_items(self, items):
        return np.stack([vector_of(text) for text in items.texts])


def vector_of(text: str) -> np.ndarray:
    return np.random.default_rng(len(text) + ord(text[5])).normal(size=czech.WIDTH).astype(np.float32)


@pytest.fixture(autouse=True)
def teacher(monkeypatch):
    monkeypatch.setattr(teachers, "_made", lambda _: Hashed())
    teachers._known.cache_clear()
    yield
    teachers._known.cache_clear()


def unit_bert(data):
    """Whose vectors are of length one before the system changes it."""
    encoder = steady_bert(data)
    encoder.normalize = True
    return encoder


def step_of_stage(number, method=None, examples=PAIRS, n=8):
    method = method or get(NAME).method()
    assert len(method.stages) > number
    one = replace(method, stages=(method.stages[number],))
    return step_of_texts(one, examples, make=unit_bert, n=n)


def test_loss_is_that_of_a_naive_loop_over_the_english_teacher_s_vectors():
    step = step_of_stage(0, n=12)
    encoder, (call,) = step.network[0], step.calls
    assert not encoder.normalize
    english = {}
    for e in PAIRS:
        for text in e.texts:
            english[tuple(encoder.tokenize([text])["input_ids"].tolist())] = vector_of(e.positives[0])
    inputs = step.payload.inputs
    z, losses, seen = step.network(inputs), [], []
    for x, ids in zip(z, inputs["input_ids"].split(inputs["offsets"].diff().tolist()), strict=True):
        target = torch.from_numpy(english[tuple(ids.tolist())])
        losses.append((x - target).square().mean())
        seen.append(tuple(ids.tolist()))
    # one for the Czech and one for the English sentence
    same(step, 2 * torch.stack(losses).mean(), rtol=1e-3)
    assert len(call["queries"]) == len(set(seen)) == 12
    assert z.shape == (12, czech.WIDTH)


def test_both_sentences_of_a_pair_have_the_teacher_s_vector_of_the_english_one():
    data = rows_of(PAIRS)
    found = czech.taught_by_english(data, steady_bert(data), 0)
    assert sorted(found.anchors.texts) == sorted(text for e in PAIRS for text in e.texts)
    vectors = dict(zip(found.anchors.texts, found.columns["vector"], strict=True))
    for e in PAIRS:
        wanted = torch.from_numpy(vector_of(e.positives[0]))
        assert torch.equal(vectors[e.anchor], wanted)
        assert torch.equal(vectors[e.positives[0]], wanted)
    (prepare,) = (stage.prepare for stage in czech.others_vectors().stages[:1])
    wrong = prepare[1](prepare[0](data, steady_bert(data), 0), steady_bert(data), 0).columns["vector"]
    assert not torch.equal(wrong, found.columns["vector"])
    torch.testing.assert_close(wrong.sort(0).values, found.columns["vector"].sort(0).values)


@pytest.mark.parametrize("name", [NAME, "simcse-retromae"])
def test_the_second_stage_is_dropout_contrast_of_every_sentence(name):
    method = get(name).method()
    step = step_of_stage(1, method, TUPLES)
    z = step.network(step.payload.inputs)
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)
    assert z.shape == (16, 16)
    assert not step.network[0].normalize
    data = rows_of(TUPLES)
    (prepare,) = method.stages[1].prepare
    assert sorted(prepare(data, steady_bert(data), 0).anchors.texts) == sorted({t for e in TUPLES for t in e.texts})


def test_retromae_is_of_the_czech_sentences_and_asks_for_them_twice(monkeypatch):
    def unseen(there, _share):
        diagonal = torch.eye(there.shape[1], dtype=torch.bool)
        hidden = diagonal | ~there[:, None, :]
        hidden[:, :, 0] = False
        return hidden

    monkeypatch.setattr("counterpoint.pretraining.bottleneck.unseen_keys", unseen)
    step = step_of_stage(0, get("simcse-retromae").method(), n=4)
    task, inputs = step.network[0], step.payload.inputs
    read = task.encoder.tokenizer
    texts = [read.decode(ids[ids >= 0], skip_special_tokens=True) for ids in inputs["whole"]]
    assert set(texts) <= {e.anchor for e in PAIRS}
    states, table = task(inputs), task.encoder.model.get_input_embeddings().weight
    losses = ([], [])
    for x, whole, at, asked in zip(states, inputs["whole"], inputs["at"], inputs["asked"], strict=True):
        for i, place in enumerate([*at.tolist(), *asked.tolist()]):
            if place >= 0:
                logits = table @ x[i] + task.bias
                losses[i >= len(at)].append(F.cross_entropy(logits, whole[place]))
    assert all(losses)
    same(step, sum(torch.stack(side).mean() for side in losses), rtol=1e-3)
