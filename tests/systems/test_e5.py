"""E5: prefixes reach the tokens; the filter keeps a pair if its passage is in the top k; a teacher's lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import debian
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.methods import train_stage
from counterpoint.negatives import consistent
from counterpoint.systems import get
from counterpoint.systems.retrieval.e5 import oracle, unfiltered, untaught
from counterpoint.testbeds.corpora import shuffled
from counterpoint.views import shuffle_partners
from systems.through import same
from systems.words import PAIRS, step_of_texts


@pytest.fixture(scope="module")
def noisy():
    return shuffle_partners(debian().train.examples[:400], 0.5, seed=0)


@pytest.fixture(scope="module")
def encoder(noisy):
    return StaticEncoder.from_corpus([t for e in noisy[0] for t in e.texts], vocab_size=4000, dim=64)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_filter_keeps_exactly_the_pairs_that_rank_within_k_by_brute_force(noisy, encoder, k):
    examples, right = noisy
    data = consistent(rows_of(examples), encoder, k)
    asked = set(data.anchors[data.anchor].texts)
    kept = [e for e in examples if e.anchor in asked]
    assert len(kept) == len(data)
    passages = [e.positives[0] for e in examples]
    z = encoder.encode(passages, kind="document").astype(np.float64)
    queries = encoder.encode([e.anchor for e in examples], kind="query").astype(np.float64)
    expected = []
    for e, q in zip(examples, queries, strict=True):
        scores = z @ q
        own = scores[passages.index(e.positives[0])]
        if (scores > own + 1e-6).sum() < k:
            expected.append(e)
    assert kept == expected
    # and on what lexical overlap can tell, it keeps the right ones
    good = {e.line for e, r in zip(examples, right, strict=True) if r}
    assert np.mean([e.line in good for e in kept]) > 0.9


def test_the_pool_is_a_random_part_of_the_passages(noisy, encoder):
    examples, _ = noisy
    sizes = [len(consistent(rows_of(examples), encoder, 2, pool=pool)) for pool in (10, 100, 400)]
    # more passages to be mistaken for, fewer pairs that pass
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


def cosines(step):
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    return z[:8] @ z[8:].T


def test_loss_is_infonce_one_way_at_a_hundredth():
    for method in ("e5", unfiltered()):
        step = step_of_texts(method)
        assert step.layers() == ["Identity"]
        n = len(step.payload.inputs["offsets"]) // 2
        z = F.normalize(step.network(step.payload.inputs), dim=1)
        same(step, F.cross_entropy(100 * z[:n] @ z[n:].T, torch.arange(n)))


@pytest.mark.parametrize("name", ["e5", "E5 fine-tuning"])
def test_prefixes_reach_the_tokens(name):
    step = step_of_texts(name)
    tokenizer, ids = step.network[0].tokenizer, step.payload.inputs["input_ids"].tolist()
    asked = len(step.calls[0]["queries"])
    for i, start in enumerate(step.payload.inputs["offsets"].tolist()[:-1]):
        prefix = tokenizer.encode("query: " if i < asked else "passage: ").ids
        assert ids[start : start + len(prefix)] == prefix


def test_prepare_judges_by_a_copy_trained_on_all_pairs(noisy, encoder, monkeypatch):
    examples, right = noisy
    before, trained = encoder.embedding.weight.detach().clone(), []
    stage = get("e5").method().stages[0]

    def quick(judge, data, copied, seed):
        trained.append((judge, len(data)))
        settings = replace(judge.train, epochs=2, batch_size=100, learning_rate=1e-2)
        return train_stage(replace(judge, train=settings), data, copied, seed)

    monkeypatch.setattr("counterpoint.methods.stage.train_stage", quick)
    (prepare,) = stage.prepare
    data = replace(rows_of(examples), columns={"right": torch.tensor(right)})
    kept = prepare(data, encoder, 0)
    assert torch.equal(before, encoder.embedding.weight), "the encoder itself must not be trained yet"
    ((judge, seen),) = trained
    assert (judge, seen) == (replace(stage, prepare=(), objective=judge.objective), len(examples))
    assert 0 < len(kept) < len(examples)
    assert float(kept.columns["right"].float().mean()) > 0.8


def test_what_the_filter_leaves_out_is_said(encoder):
    data = shuffled(rows_of(debian().train.examples[:100]), 0.5, 0)
    settings = {"steps": 1, "batch_size": 8, "validations": 1}
    for method, said in ((get("e5").method(), True), (unfiltered(), False), (oracle(), True)):
        _, result = method.changed(**settings).make(data, encoder=encoder.with_table(encoder.folded()))
        left_out = [warning for warning in result.warnings if "left out" in warning and "rows" in warning]
        assert bool(left_out) == said
    assert "50 of 100 rows (50%)" in left_out[0]


def test_second_stage_is_the_teachers_distribution_over_own_lists_and_a_fifth_of_infonce():
    step = step_of_texts("E5 fine-tuning")
    (call,) = step.calls
    owned, keys, teacher = call["owned"], call["keys"], call["guide"].owned
    assert owned.z.shape[1] == 8
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    q, k = z[:8], z[8:]
    shown, partner = keys.columns["input"].tolist(), call["queries"].columns["partner"].tolist()
    distilled = contrasted = torch.zeros(())
    for i in range(8):
        there = owned.columns["valid"][i]
        mine = F.normalize(owned.z[i][there].detach(), dim=1)
        # the first of a row's list is its positive, and all are keys of the batch
        place = (mine @ k.detach().T).argmax(1)
        assert shown[int(place[0])] == partner[i]
        target = teacher[i][there].log_softmax(0)
        found = (100 * q[i] @ k[place].T).log_softmax(0)
        distilled = distilled + (target.exp() * (target - found)).sum()
        others = [j for j in range(len(k)) if j == i or shown[j] != partner[i]]
        s = 100 * q[i] @ k[others].T
        contrasted = contrasted + torch.logsumexp(s, 0) - 100 * q[i] @ k[i]
    assert float(distilled.detach()) > 1e-3
    same(step, (distilled + 0.2 * contrasted) / 8, rtol=1e-3)


def test_without_a_teacher_it_is_infonce_over_positives_and_mined():
    step = step_of_texts(untaught())
    (call,) = step.calls
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    s, total = 100 * cosines(step), torch.zeros(())
    for i in range(8):
        seen = torch.tensor([j for j in range(s.shape[1]) if j == i or shown[j] != partner[i]])
        total = total + torch.logsumexp(s[i, seen], 0) - s[i, i]
    assert s.shape[1] > 8
    same(step, total / 8, rtol=1e-3)


def test_second_stage_takes_all_pairs():
    data = rows_of(PAIRS)
    mine, teach = get("E5 fine-tuning").method().stages[0].prepare
    mined = mine(data, torch.nn.Identity(), 0)
    assert len(mined) == len(data)
    scored = teach(mined, torch.nn.Identity(), 0)
    assert scored.columns["teacher"].shape == (len(data), 8)
    best = scored.columns["teacher"].nan_to_num(-1e9).argmax(1)
    assert (best == 0).float().mean() > 0.8, "the teacher knows what it was trained on"
