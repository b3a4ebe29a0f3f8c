"""EREDAT: graphs and texts that belong together, then the share of a text that is true."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.search import BM25
from counterpoint.systems import get
from counterpoint.systems.retrieval import eredat
from systems.through import same
from systems.words import KINDS, contrast, step_of_texts

SCORES = (math.nan, 4.0, 1.0, math.nan, 2.0, 4.0, 3.0, math.nan, 4.0, 0.0, math.nan, 4.0)
ROWS = [
    Example(f"{kind} | hypernym | animal ; {kind} | part | tail", (f"a {kind} is an animal, {i} feet",), score=score)
    for i, (kind, score) in enumerate(zip(KINDS, SCORES, strict=True))
]
PAIRED = [i for i, s in enumerate(SCORES) if math.isnan(s) or s == 4]
JUDGED = [i for i, s in enumerate(SCORES) if not math.isnan(s)]


def stage(number, **options):
    """The last step of one stage of the system, on all the rows that it takes."""
    method = get("eredat").method()
    return step_of_texts(replace(method, stages=(method.stages[number],)), ROWS, n=12, **options)


def test_each_stage_s_loss_is_that_of_a_naive_loop():
    step = stage(0)
    graphs, texts = step.z()
    assert len(graphs) == len(PAIRED)
    same(step, contrast(graphs, texts, temperature=0.05), rtol=1e-3)
    step = stage(1)
    graphs, texts = step.z()
    scores = step.calls[0]["queries"].columns["score"]
    assert sorted(scores.tolist()) == sorted(SCORES[i] / 4 for i in JUDGED)
    total = torch.zeros(())
    for g, t, score in zip(graphs, texts, scores, strict=True):
        total = total + (F.cosine_similarity(g, t, dim=0) - score).square() / len(JUDGED)
    same(step, total, rtol=1e-3)


def test_all_negatives_are_those_of_both_kinds_both_ways():
    step = step_of_texts(get("eredat-all-negatives").method(), ROWS, n=12)
    graphs, texts = step.z()
    every, n = [*graphs, *texts], len(graphs)
    assert n == len(PAIRED)
    total = torch.zeros(())
    for i, z in enumerate(every):
        own = (i + n) % (2 * n)
        seen = [j for j in range(2 * n) if j != i]
        s = {j: F.cosine_similarity(z, every[j], dim=0) / 0.05 for j in seen}
        total = total + (torch.logsumexp(torch.stack(list(s.values())), 0) - s[own]) / (2 * n)
    same(step, total, rtol=1e-3)


def test_a_hard_negative_is_what_bm25_finds_first_that_is_not_the_own_text():
    recipe, data = get("eredat-hard-negatives").method(), rows_of(ROWS)
    for step in recipe.stages[0].prepare:
        data = step(data, nn.Identity(), 0)
    assert data.anchor.tolist() == PAIRED
    found, _ = BM25(list(data.others.texts)).search([data.anchors.texts[i] for i in data.anchor.tolist()], 12)
    for i, ranked in enumerate(found.tolist()):
        assert data.negatives[i].tolist() == [next(d for d in ranked if d != int(data.positives[i, 0]))]
    seen = step_of_texts(recipe, ROWS, n=12)
    # each of the texts that is a negative is among the keys of all
    assert len(seen.calls[0]["keys"]) > len(PAIRED)


def test_pairs_are_those_that_nobody_judged_and_the_best():
    method, data = get("eredat").method(), rows_of(ROWS)
    (first,), (second,) = (s.prepare for s in method.stages)
    assert first(data, nn.Identity(), 0).anchor.tolist() == PAIRED
    assert first(data, nn.Identity(), 0).schema == "pairs"
    assert second(data, nn.Identity(), 0).anchor.tolist() == JUDGED


def test_one_encoder_and_the_numbers_that_are_known():
    method = get("eredat").method()
    assert method.adapt is None
    assert [s.train.batch_size for s in method.stages] == [320, 16]
    assert [s.train.epochs for s in method.stages] == [1, 50]
    assert [s.train.epochs for s in eredat.in_halves().stages] == [1, 1]
    batches = {
        name: get(name).method().stages[0].train.batch_size
        for name in ("eredat-hard-negatives", "eredat-all-negatives")
    }
    assert list(batches.values()) == [192, 160]


def test_without_scores_it_is_refused():
    from counterpoint.errors import InputError

    pairs = rows_of([Example(e.anchor, e.positives) for e in ROWS])
    with pytest.raises(InputError, match="scored pairs"):
        get("eredat").method().refuse(pairs)
