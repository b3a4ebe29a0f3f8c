"""Contriever: crops of both sides, a second encoder that follows, and the queue of what it has seen."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from counterpoint.data import Example
from counterpoint.evaluate import similarity_of
from counterpoint.procedures import Queue, Teacher
from counterpoint.systems import get
from counterpoint.systems.retrieval import contriever
from systems.through import same
from systems.words import small_bert, steady_bert, step_of_texts

LONG = [Example(" ".join(f"{letter}{i}" for i in range(40))) for letter in "abcdefgh"]


def texts(step):
    """The tokens of each view, but special ones."""
    encoder, inputs = step.network[0], step.payload.inputs
    ids, special = inputs["input_ids"].tolist(), encoder.special_tokens
    return [[t for t in ids[a:b] if t not in special] for a, b in pairwise(inputs["offsets"].tolist())]


def documents(step, examples=LONG):
    """The tokens of each document."""
    tokenizer = step.network[0].tokenizer
    return [tokenizer(e.anchor, add_special_tokens=False)["input_ids"] for e in examples]


def within(piece, document):
    """Where the piece's tokens stand in the document, in their order; None: not there."""
    places, start = [], 0
    for token in piece:
        if token not in document[start:]:
            return None
        places.append(document.index(token, start))
        start = places[-1] + 1
    return places


def parts(step):
    teacher, queue = step.procedure.procedures
    assert (type(teacher), type(queue)) == (Teacher, Queue)
    return teacher, queue


def naive(step):
    """Each query's products with its own key, by the second encoder, and with what the queue holds, before the step."""
    teacher, queue = parts(step)
    n = len(step.payload.inputs["offsets"]) // 2
    q = step.network(step.payload.inputs)[:n]
    with torch.no_grad():
        k = teacher.model(step.payload.inputs)[n:]
    past, total = queue.z[: int(queue.filled)], torch.zeros(())
    for i in range(n):
        scores = torch.stack([q[i] @ z for z in (k[i], *past)]) / 0.05
        total = total + torch.logsumexp(scores, 0) - scores[0]
    return total / n


def test_loss_is_that_of_a_naive_loop_over_its_own_key_and_the_queue():
    step = step_of_texts("contriever", LONG, make=steady_bert, n=4, steps=2)
    assert int(parts(step)[1].filled) == 4
    assert naive(step).item() > 0.1
    same(step, naive(step), rtol=1e-3)
    z = step.network(step.payload.inputs)
    with pytest.raises(AssertionError):  # other rows of the batch are no negatives
        same(step, torch.nn.functional.cross_entropy(z[:4] @ z[4:].T / 0.05, torch.arange(4)), rtol=1e-3)


def test_views_are_pieces_of_five_to_fifty_percent_of_which_a_tenth_is_gone():
    step = step_of_texts("contriever", LONG * 4, make=steady_bert, n=32)
    seen, whole, sizes = texts(step), documents(step, LONG * 4), []
    for first, second in zip(seen[:32], seen[32:], strict=True):
        assert first != second
        own = [d for d in whole if within(first, d) is not None and within(second, d) is not None]
        assert own, "both views are of one document, in its order"
        sizes += [len(first) / len(own[0]), len(second) / len(own[0])]
    assert max(sizes) <= 0.5
    assert min(sizes) < 0.15 < 0.35 < max(sizes)
    assert 0.2 < sum(sizes) / len(sizes) < 0.3  # 0.275 without a tenth of it


def test_the_second_encoder_follows_slowly():
    teacher, queue = parts(step_of_texts("contriever", LONG, make=steady_bert, n=4))
    assert (teacher.decay, teacher.symmetric, len(queue.z), queue.in_batch) == (0.9995, False, 131_072, False)
    teacher, queue = parts(step_of_texts(contriever.in_small(), LONG, make=steady_bert, n=4))
    assert (teacher.decay, len(queue.z)) == (0.99, 1024)


def test_vectors_are_means_of_any_length_compared_by_products():
    step = step_of_texts("contriever", LONG, make=lambda data: small_bert(data, pooling="cls"))
    encoder = step.network[0]
    assert (encoder.pooling, encoder.normalize, similarity_of(encoder)) == ("mean", False, "dot")
    assert encoder.tokenizer.cls_token_id in step.payload.inputs["input_ids"]


def test_arms_differ_in_their_views_alone():
    step = step_of_texts(contriever.whole_in_small(), LONG, make=steady_bert)
    assert len(texts(step)[0]) > 60
    assert texts(step)[:8] == texts(step)[8:]
    step = step_of_texts(contriever.undeleted(), LONG, make=steady_bert)
    for piece in texts(step):
        assert any(piece == d[i : i + len(piece)] for d in documents(step) for i in range(len(d)))
    sentences = [Example(f"A {i} is here. It sleeps at {i}. It wakes.") for i in range(8)]
    pairs = texts(step_of_texts(contriever.cloze(), sentences, make=steady_bert))
    assert all(len(a) < len(b) for a, b in zip(pairs[:8], pairs[8:], strict=True))
    assert get("contriever").method().stages[0].train == contriever.cloze().stages[0].train
