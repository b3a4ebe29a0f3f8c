"""GTE: four kinds of pairs in one denominator, one source a batch, small sources more often than their size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.retrieval import gte
from systems.through import same
from systems.words import PAIRS, small_bert, step_of_texts


def cosines(step):
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    return z.chunk(2)


def naive(step):
    """Of each pair the positive, and the sum of all that it competes with; the positive stands there twice."""
    q, d = cosines(step)
    total = torch.zeros(())
    for i in range(len(q)):
        with_documents = [q[i] @ d[j] for j in range(len(d))]
        with_questions = [q[i] @ q[j] for j in range(len(q)) if j != i]
        back = [q[j] @ d[i] for j in range(len(q))]
        documents = [d[j] @ d[i] for j in range(len(d)) if j != i]
        every = torch.stack([*with_documents, *with_questions, *back, *documents]) / 0.01
        total = total + (torch.logsumexp(every, 0) - q[i] @ d[i] / 0.01) / len(q)
    return total


def test_loss_is_that_of_a_naive_loop_over_four_kinds_of_pairs():
    step = step_of_texts("GTE")
    assert step.layers() == ["Identity"]
    same(step, naive(step))
    q, d = cosines(step)
    with pytest.raises(AssertionError):
        same(step, F.cross_entropy(100 * q @ d.T, torch.arange(len(q))))


def test_the_baseline_is_one_way():
    step = step_of_texts(gte.one_way())
    q, d = cosines(step)
    same(step, F.cross_entropy(100 * q @ d.T, torch.arange(len(q))))


def sources(sizes=(8, 4)):
    data = rows_of(PAIRS[: sum(sizes)])
    return replace(data, columns={"source": torch.arange(2).repeat_interleave(torch.tensor(sizes))})


def test_a_batch_is_of_one_source():
    method = get("GTE").method()
    (stage,) = method.stages
    assert stage.together == "source"
    for steps in (1, 2, 3, 4):
        step = step_of_texts(method, sources((6, 6)), n=3, steps=steps)
        (call,) = step.calls
        assert len(set(call["queries"].columns["source"].tolist())) == 1
    # and rows of which no source is known are all of one
    assert len(step_of_texts("GTE").calls[0]["queries"]) == 8


def test_small_sources_are_seen_by_the_root_of_their_size():
    data = sources((8, 2))
    counts = {}
    for name, recipe in (("root", get("GTE").method()), ("size", gte.as_they_are()), ("alike", gte.all_alike())):
        (prepare,) = recipe.stages[0].prepare
        counts[name] = torch.bincount(prepare(data, torch.nn.Identity(), 0).columns["source"]).tolist()
    assert counts == {"root": [8, 4], "size": [8, 2], "alike": [8, 8]}


def test_it_is_the_mean_of_states_by_cosine():
    step = step_of_texts("GTE", make=lambda data: small_bert(data, pooling="cls"))
    assert step.network[0].pooling == "mean"
    assert get("GTE").method().similarity == "cosine"
