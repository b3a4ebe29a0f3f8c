"""GradCache: the gradient of the whole batch, dropout and all, with one chunk's activations alive at a time."""

from __future__ import annotations

import importlib

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders.scratch import small_transformer
from counterpoint.systems import get
from counterpoint.systems.core import gradcache
from counterpoint.training.rows import RowBatches
from systems.through import same, step_of

# the package exports a function of the same name
engine = importlib.import_module("counterpoint.engine.cached")
PAIRS = [Example(f"title of number {i}", (f"this describes number {i} at length",)) for i in range(48)]


def setting(dropout: float = 0.1):
    texts = [text for e in PAIRS for text in e.texts]
    encoder = small_transformer(texts, layers=1, width=32, vocab_size=200, dropout=dropout)
    return encoder, RowBatches(rows_of(PAIRS), encoder)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(gradcache, "_CHUNK", 64)


def step(encoder, batches, execute, n=48):
    return gradcache.step(encoder, batches, torch.arange(n), execute, seed=0)


def test_gradient_is_that_of_the_whole_batch_with_dropout_replayed():
    encoder, batches = setting()
    ours, _ = step(encoder, batches, engine.cached)
    exact, _ = step(encoder, batches, gradcache.whole)
    torch.testing.assert_close(ours, exact, rtol=1e-4, atol=1e-6)


def test_the_method_trains_with_the_gradient_of_a_naive_loop_over_all_pairs(monkeypatch):
    sizes, forward = [], type(setting()[0]).forward

    def watched(self, inputs):
        z = forward(self, inputs)
        sizes.append(len(z))
        return z

    encoder, _ = setting(dropout=0.0)
    monkeypatch.setattr(type(encoder), "forward", watched)
    method = get("gradcache").method().changed(chunk_tokens=64)
    seen = step_of(method, rows_of(PAIRS), n=12, encoder=encoder)
    # 24 texts in chunks, each twice
    assert sum(sizes) == 2 * 24
    assert max(sizes) < 12
    arguments = seen.payload.arguments(seen.network(seen.payload.inputs))
    q, k = arguments["queries"].z, arguments["keys"].z
    terms = []
    for i in range(12):
        s = torch.stack([F.cosine_similarity(q[i], k[j], dim=0) / 0.05 for j in range(12)])
        terms.append(torch.logsumexp(s, 0) - s[i])
    same(seen, sum(terms) / 12)


def test_without_replaying_dropout_the_gradient_is_another(monkeypatch):
    encoder, batches = setting()
    exact, _ = step(encoder, batches, gradcache.whole)
    monkeypatch.setattr(engine, "_set_random_state", lambda state: None)
    ours, _ = step(encoder, batches, engine.cached)
    assert float((ours - exact).norm() / exact.norm()) > 0.01


def test_only_one_chunk_is_alive_at_a_time():
    encoder, batches = setting()
    (_, few), (_, many) = (step(encoder, batches, engine.cached, n) for n in (12, 48))
    (_, whole_few), (_, whole_many) = (step(encoder, batches, gradcache.whole, n) for n in (12, 48))
    assert many < 1.5 * few
    assert whole_many > 2.5 * whole_few
    assert many < whole_many / 2


def test_the_arms_see_as_many_pairs_a_step():
    trains = [make().stages[0].train for make in (gradcache.gradcache, gradcache.accumulated, gradcache.at_once)]
    assert [t.batch_size * t.accumulate for t in trains] == [512, 512, 512]
    assert [t.batch_size for t in trains] == [512, 32, 512]
    assert trains[2].chunk_tokens > trains[0].chunk_tokens


def test_checks_say_how_memory_grows_and_how_far_the_gradient_is(monkeypatch):
    monkeypatch.setattr(gradcache, "_setting", lambda seed: setting())
    monkeypatch.setattr(gradcache, "_LARGE", 48)
    monkeypatch.setattr(gradcache, "_SMALL", 12)
    grown, off = gradcache.memory(0), gradcache.exactness(0)
    assert grown["system"] < 1.5 < 2.5 < grown["baseline"]
    assert off["system"] < 1e-4 < 0.05 < off["baseline"]
