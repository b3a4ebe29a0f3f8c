"""PAIR: both relations in the first stage, the query's alone in the second, one shared encoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterpoint.data.rows import rows_of
from counterpoint.negatives import denoising
from counterpoint.systems import get
from counterpoint.systems.retrieval.pair import to_the_end, without_passages
from negatives.test_denoising import judge
from systems.through import same
from systems.vectors import own_pairs, watched
from systems.words import PAIRS, small_bert, small_table, step_of_texts


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """What the cross-encoder says is known."""
    monkeypatch.setattr(denoising, "relevance", lambda data, seed, steps: judge)


def stage(recipe, number):
    return replace(recipe, stages=recipe.stages[: number + 1])


def terms(step):
    """`L_Q` and `L_P` of the equations, one pair at a time, but for copies of a query's own positive."""
    (call,) = step.calls
    first = call["queries"].columns.get("term", torch.zeros(8)) == 0
    n, z = int(first.sum()), torch.nn.functional.normalize(step.network(step.payload.inputs), dim=1)
    q, p, mined = z[:n], z[n : 2 * n], z[2 * n :]
    assert len(mined)
    shown = call["keys"].columns["input"][: len(z) - n]
    partner = call["queries"].columns["partner"][:n]
    query_centric = passage_centric = torch.zeros(())
    for i in range(n):
        others = [j for j in range(len(z) - n) if j == i or shown[j] != partner[i]]
        query_centric = query_centric + torch.logsumexp(z[n:][others] @ q[i] / 0.05, 0) - q[i] @ p[i] / 0.05
        wrong = [k for k in range(len(mined)) if shown[n + k] != partner[i]]
        scores = torch.stack([p[i] @ q[i], *(p[i] @ mined[k] for k in wrong)]) / 0.05
        passage_centric = passage_centric - scores.log_softmax(0)[0]
    return query_centric / n, passage_centric / n


def test_loss_is_that_of_both_relations_by_a_naive_loop():
    step = step_of_texts(stage(get("pair").method(), 1))
    query_centric, passage_centric = terms(step)
    # which is a tenth of the loss, and compared by itself
    found = step.objective.objectives[1](**step.calls[0])
    torch.testing.assert_close(found, 0.1 * passage_centric.detach(), rtol=2e-6, atol=0)
    same(step, 0.9 * query_centric + 0.1 * passage_centric, rtol=1e-3)
    step = step_of_texts(to_the_end())
    query_centric, passage_centric = terms(step)
    same(step, 0.9 * query_centric + 0.1 * passage_centric, rtol=1e-3)


@pytest.mark.parametrize(("recipe", "number"), [("pair", 2), (without_passages(), 1), (without_passages(), 2)])
def test_queries_alone_in_the_second_stage(recipe, number):
    step = step_of_texts(stage(get(recipe).method() if isinstance(recipe, str) else recipe, number))
    same(step, terms(step)[0], rtol=1e-3)


def test_the_first_retriever_contrasts_the_batch():
    step = step_of_texts(stage(get("pair").method(), 0))
    (call,) = step.calls
    assert call["keys"].columns["sample"].tolist() == call["queries"].columns["sample"].tolist()


def test_the_first_stage_begins_where_the_retriever_began_and_the_second_where_the_first_ended():
    asked, data = [], rows_of(PAIRS)
    encoder = small_table(data)
    before = encoder.embedding.weight.detach().clone()
    recipe = watched(get("pair").method().changed(steps=2, batch_size=8, warmup=0.0, learning_rate=0.1), asked)
    finds, first, second = recipe.stages
    # they take no step that shows
    still = {"learning_rate": 1e-12}
    first, second = (replace(one, train=replace(one.train, **still)) for one in (first, second))
    replace(recipe, stages=(finds, first, second)).make(data, encoder=encoder)
    (_, weights, _), (_, later, _) = asked
    assert not any(torch.allclose(w, before, atol=1e-3) for w in weights if w.shape == before.shape)
    assert any(torch.allclose(w, before, atol=1e-6) for w in later if w.shape == before.shape)
    torch.testing.assert_close(encoder.embedding.weight.detach(), before, rtol=0, atol=1e-6)


def test_one_encoder_whose_first_token_counts():
    step = step_of_texts("pair", make=small_bert)
    assert step.network[0].pooling == "cls"
    assert own_pairs(step)[0].shape[0] == 8
