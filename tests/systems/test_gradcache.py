"""GradCache: the gradient of the whole batch, dropout and all, with one chunk's activations alive at a time."""

from __future__ import annotations

import importlib

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders.scratch import small_transformer
from counterpoint.systems.core import gradcache
from counterpoint.training.rows import RowBatches

# the package exports a function of the same name
engine = importlib.import_module("counterpoint.engine.cached")
PAIRS = [Example(f"title of number {i}", (f"this describes number {i} at length",)) for i in range(48)]


def setting(dropout: float = 0.1):
    texts = [text for e in PAIRS for text in e.texts]
    encoder = small_transformer(texts, layers=1, width=32, vocab_size=200, dropout=dropout)
    return encoder, RowBatches(rows_of(PAIRS), encoder)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(gradcache, "_CHUNK_TOKENS", 64)


def step(encoder, batches, execute, n=48):
    return gradcache._step(encoder, batches, torch.arange(n), execute, seed=0)


def test_gradient_is_that_of_the_whole_batch_with_dropout_replayed():
    encoder, batches = setting()
    ours, _ = step(encoder, batches, engine.cached)
    exact, _ = step(encoder, batches, gradcache.whole)
    torch.testing.assert_close(ours, exact, rtol=1e-4, atol=1e-6)


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
