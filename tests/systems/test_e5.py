"""E5: prefixes reach the tokens; the filter keeps a pair if its passage is in the top k of a pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data import debian
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.methods import train_stage
from counterpoint.negatives import consistent
from counterpoint.systems import get
from counterpoint.training.rows import RowBatches
from counterpoint.views import shuffle_partners
from systems.stages import stage


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


def test_prefixes_reach_the_tokens(noisy):
    examples = noisy[0][:4]
    encoder = StaticEncoder.from_corpus(["query passage", *(t for e in examples for t in e.texts)], dim=8)
    get("e5").method().settle(encoder)
    ids = RowBatches(rows_of(examples), encoder).payload(torch.arange(4)).inputs["input_ids"].tolist()
    texts = ["query: " + e.anchor for e in examples] + ["passage: " + e.positives[0] for e in examples]
    assert ids == [i for text in texts for i in encoder.tokenizer.encode(text).ids]
    # the tokenizer takes endings off
    assert {"query", "passag"} <= encoder.tokenizer.get_vocab().keys()


def test_prepare_judges_by_a_copy_trained_on_all_pairs(noisy, encoder, monkeypatch):
    examples, right = noisy
    before, trained = encoder.embedding.weight.detach().clone(), []

    def quick(judge, data, copied, seed):
        trained.append((judge, len(data)))
        settings = replace(judge.train, epochs=2, batch_size=100, learning_rate=1e-2)
        return train_stage(replace(judge, train=settings), data, copied, seed)

    monkeypatch.setattr("counterpoint.methods.stage.train_stage", quick)
    (prepare,) = stage("e5").prepare
    data = replace(rows_of(examples), columns={"right": torch.tensor(right)})
    kept = prepare(data, encoder, 0)
    assert torch.equal(before, encoder.embedding.weight), "the encoder itself must not be trained yet"
    ((judge, seen),) = trained
    assert (judge, seen) == (replace(stage("e5"), prepare=(), objective=judge.objective), len(examples))
    assert 0 < len(kept) < len(examples)
    assert float(kept.columns["right"].float().mean()) > 0.8


def test_second_stage_has_hard_negatives_and_no_filter(noisy, encoder):
    method = get("E5 fine-tuning").method()
    (prepare,) = method.stages[0].prepare
    data = rows_of(noisy[0][:40])
    mined = prepare(data, encoder, 0)
    assert (len(mined), mined.negatives.shape) == (len(data), (40, 7))
    assert method.prompts == {"query": "query: ", "document": "passage: "}
