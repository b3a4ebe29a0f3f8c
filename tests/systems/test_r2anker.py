"""R2anker: negatives of three retrievers, a ranker that learns from these lists, a retriever that follows it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.methods import train_stage
from counterpoint.search import BM25
from counterpoint.systems import get
from counterpoint.systems.retrieval import r2anker
from counterpoint.systems.retrieval.r2anker import one_retriever
from counterpoint.training.lists import cross_encoder, lists
from systems.through import same
from systems.words import KINDS, small_table, step_of_texts

FAR = [Example(f"a {kind} at night", (f"the {kind} sleeps, number {i}",)) for i, kind in enumerate(KINDS)]
FAR += [
    Example(f"which colour {asked}", (f"paint {c}",))
    for asked, c in zip("wxyz", ("red", "blue", "pink", "grey"), strict=True)
]


def short_ranker(data, seed, *, steps=200):
    """In fewer steps: these rows do not need more."""
    return cross_encoder(data, seed, steps=steps // 10)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("counterpoint.training.lists.cross_encoder", short_ranker)


def prepared(name="r2anker", examples=FAR, steps=2):
    """What the recipe's own steps make of rows, one after the other."""
    recipe = get(name).method() if isinstance(name, str) else name
    data, made = rows_of(examples), []
    encoder = recipe.settle(small_table(data), 0)
    for step in recipe.stages[0].prepare[:steps]:
        data = step(data, encoder, 0)
        made.append(data)
    return made, encoder


def test_negatives_are_drawn_from_what_each_of_three_retrievers_finds(monkeypatch):
    trained = []

    def watched(stage, data, copied, seed):
        before = copy.deepcopy(copied)
        # so far that it finds others than at the start
        train_stage(replace(stage, train=replace(stage.train, steps=20, learning_rate=0.1)), data, copied, seed)
        trained.append((stage, data, before, copied))

    monkeypatch.setattr(r2anker, "train_stage", watched)
    (data,), encoder = prepared(steps=1)
    texts = list(data.others.texts)
    assert data.negatives.shape == (len(FAR), 6)
    found, _ = BM25(texts).search([e.anchor for e in FAR], len(texts))
    (_, first, start, one), (_, second, again, _) = trained
    # the first learns from the hardest of BM25, the second from the hardest of the first, both from the start
    for began in (start, again):
        assert torch.equal(began.embedding.weight, encoder.embedding.weight)
    # by the inner product, as the method compares
    q, d = one.encode([e.anchor for e in FAR], kind="query"), one.encode(texts, kind="document")
    nearest = np.argsort(-(q @ d.T), axis=1, kind="stable")
    for i in range(len(FAR)):
        others = [row for row in found[i] if row >= 0 and row != i]
        if others:
            assert first.negatives[i, 0] == others[0]
        assert second.negatives[i, 0] == next(row for row in nearest[i] if row != i)
        own = data.negatives[i].tolist()
        there = [row for row in own if row >= 0]
        assert i not in there
        assert len(set(there)) == len(there)
        assert set(own[:2]) - {-1} <= set(others)
        # what shares no word is found by the dense ones alone, who give two each
        assert min(own[2:]) >= 0
    asks = [i for i, e in enumerate(FAR) if "colour" in e.anchor]
    assert not (found[asks] >= 0).any()
    assert set(data.negatives[asks, :2].flatten().tolist()) == {-1}


def test_the_teacher_is_a_ranker_that_learned_from_these_lists():
    (mined, seen), _ = prepared()
    assert torch.equal(mined.negatives, seen.negatives)
    ranker, listed = short_ranker(mined, 0), lists(mined)
    for i in (0, 5, 13):
        there = listed[i] >= 0
        texts = [mined.others.texts[j] for j in listed[i][there].tolist()]
        said = ranker.score([mined.anchors.texts[int(mined.anchor[i])]] * len(texts), texts)
        np.testing.assert_allclose(seen.columns["teacher"][i][there], said, atol=1e-4)
        assert seen.columns["teacher"][i][~there].isnan().all()
    assert (seen.columns["teacher"].nan_to_num(-1e9).argmax(1) == 0).float().mean() > 0.9


def test_loss_is_the_divergence_from_the_rankers_softmax_over_own_lists():
    step = step_of_texts("r2anker")
    (call,) = step.calls
    owned, teacher = call["owned"], call["guide"].owned
    assert owned.z.shape[1] == 7
    z = step.network(step.payload.inputs)
    assert float((z.norm(dim=1) - 1).abs().max().detach()) > 1e-2, "vectors are compared as they are"
    q, k = z[:8], z[8:]
    total = torch.zeros(())
    for i in range(8):
        there = owned.columns["valid"][i]
        mine = owned.z[i][there].detach()
        place = torch.cdist(mine, k.detach()).argmin(1)
        target, said = teacher[i][there].log_softmax(0), (k[place] @ q[i]).log_softmax(0)
        total = total + (target.exp() * (target - said)).sum()
    assert float(total.detach()) > 1e-3
    same(step, total / 8, rtol=1e-3)


def test_of_one_retriever_there_are_as_many_negatives():
    (alone, _), _ = prepared(one_retriever())
    (data,), _ = prepared(steps=1)
    assert alone.negatives.shape == data.negatives.shape
    assert not torch.equal(alone.negatives, data.negatives)
