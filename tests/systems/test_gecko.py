"""Gecko: a reader's first and last of 20 neighbours; other passages, other queries and one's own hard negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.negatives import denoising
from counterpoint.systems import get
from counterpoint.systems.retrieval.gecko import seeds, seeds_with_negative, without_negative
from negatives.test_denoising import judge, ranked, said
from systems.through import same
from systems.vectors import known_rows, watched
from systems.words import PAIRS, small_table, step_of_texts


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """What the reader says is known."""
    monkeypatch.setattr(denoising, "relevance", lambda data, seed, steps: judge)


def test_a_reader_says_which_neighbour_is_the_passage_and_which_the_negative():
    data, encoder = known_rows(40, 90)
    found = get("gecko").method().stages[1].prepare[0](data, encoder, 0)
    others = {make: make().stages[1].prepare[0](data, encoder, 0) for make in (seeds_with_negative, without_negative)}
    moved = 0
    for i in range(40):
        read = {i, *ranked(data, encoder, i)[:20]}
        likely = {k: said(f"query {i}", f"document {k}") for k in read}
        best, worst = found.positives[i, 0].item(), found.negatives[i, 0].item()
        assert likely[best] == max(likely.values())
        assert likely[worst] == min(likely.values())
        moved += best != i
    assert moved > 20
    assert torch.equal(others[without_negative].positives, found.positives)
    assert others[without_negative].negatives is None
    assert torch.equal(others[seeds_with_negative].positives, data.positives)
    # a seed that is the last itself has none
    kept = others[seeds_with_negative].negatives
    assert torch.equal(kept, torch.where(found.negatives == data.positives, -1, found.negatives))
    assert seeds().stages[1].prepare == ()


def naive(step):
    """Over all passages of the batch, the other queries, and the query's own hard negative; copies are left out."""
    (call,) = step.calls
    n, z = len(call["queries"]), F.normalize(step.network(step.payload.inputs), dim=1)
    q, k = z[:n], z[n:]
    columns, rows = call["keys"].columns, call["queries"].columns
    asked, total, hard = columns["asked"].tolist(), torch.zeros(()), 0
    assert asked == [0] * len(k) + [1] * n
    every = torch.cat([k, q])
    for i in range(n):
        scores = [every[i] @ q[i]]
        for j in range(len(every)):
            own = j == i or j == len(k) + i or columns["input"][j] in (rows["partner"][i], rows["input"][i])
            others = n <= j < len(k) and columns["row"][j] != rows["row"][i]
            # what answers a copy of the query
            paired = columns["partner"][j] == rows["input"][i]
            if not (own or others or paired):
                scores.append(every[j] @ q[i])
                hard += n <= j < len(k)
        total = total - (torch.stack(scores) / 0.05).log_softmax(0)[0]
    return total / n, hard


@pytest.mark.parametrize("method", ["gecko", seeds_with_negative()])
def test_loss_is_over_passages_queries_and_the_own_hard_negative(method):
    step = step_of_texts(method)
    loss, hard = naive(step)
    assert hard > 2
    same(step, loss, rtol=1e-3)


def test_the_second_embedder_begins_where_the_first_began_and_that_contrasts_the_batch():
    asked, data = [], rows_of(PAIRS)
    encoder = small_table(data)
    before = encoder.embedding.weight.detach().clone()
    recipe = watched(get("gecko").method().changed(steps=2, batch_size=8), asked)
    first, second = recipe.stages
    first = replace(first, train=replace(first.train, learning_rate=0.1))
    # it takes no step that shows
    second = replace(second, train=replace(second.train, learning_rate=1e-12))
    replace(recipe, stages=(first, second)).make(data, encoder=encoder)
    ((_, weights, _),) = asked
    assert not any(torch.allclose(w, before, atol=1e-3) for w in weights if w.shape == before.shape)
    torch.testing.assert_close(encoder.embedding.weight.detach(), before, rtol=0, atol=1e-6)
    step = step_of_texts(replace(get("gecko").method(), stages=get("gecko").method().stages[:1]))
    assert np.shape(step.calls[0]["keys"].z)[0] == 8
