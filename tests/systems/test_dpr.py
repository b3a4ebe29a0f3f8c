"""DPR: two encoders, inner product, n positives and n BM25 negatives as columns for every question."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from counterpoint.data import Example, debian
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder, concat
from counterpoint.encoders.towers import Towers
from counterpoint.search import exact_search
from counterpoint.systems import get
from counterpoint.training.rows import RowBatches
from systems.stages import stage


@pytest.fixture(scope="module")
def pairs():
    return debian().train.examples[:300]


def dual(pairs):
    encoder = Towers(StaticEncoder.from_corpus([t for e in pairs for t in e.texts], vocab_size=2000, dim=16))
    with torch.no_grad():
        encoder.query.embedding.weight.mul_(4)
        encoder.document.embedding.weight.mul_(3).add_(0.1)
    return encoder


def test_loss_is_that_of_a_naive_loop_over_n_plus_n_passages(pairs):
    config, encoder = stage("dpr"), dual(pairs)
    get("dpr").method().settle(encoder)
    (mine,) = config.prepare
    data = mine(rows_of(pairs), encoder, 0)
    examples = [
        Example(pairs[i].anchor, pairs[i].positives, (data.others.texts[data.negatives[i, 0]],)) for i in range(12)
    ]
    payload = RowBatches(rows_of(examples), encoder).payload(torch.arange(len(examples)))
    seen = payload.arguments(encoder(payload.inputs))
    with torch.no_grad():
        q = encoder.query(encoder.query.tokenize([e.anchor for e in examples], "query"))
        p = encoder.document(encoder.document.tokenize([e.positives[0] for e in examples], "document"))
        b = encoder.document(encoder.document.tokenize([e.negatives[0] for e in examples], "document"))
    expected = 0.0
    for i, e in enumerate(examples):
        total = 0.0
        for j, other in enumerate(examples):
            total += math.exp(float(q[i] @ p[j]))
            # a copy of a question's own passage is no negative of it
            if other.negatives[0] != e.positives[0]:
                total += math.exp(float(q[i] @ b[j]))
        expected -= math.log(math.exp(float(q[i] @ p[i])) / total) / len(examples)
    assert len(seen["keys"]) == 2 * len(examples)
    assert config.objective()(**seen).item() == pytest.approx(expected, rel=1e-4)


def test_vectors_are_not_scaled_so_that_length_counts(pairs):
    encoder = dual(pairs)
    get("dpr").method().settle(encoder)
    z = encoder.encode([pairs[0].anchor, pairs[1].anchor], kind="query")
    assert float((z**2).sum(1).min()) != pytest.approx(1, abs=1e-3)


def test_questions_and_passages_have_encoders_of_their_own(pairs, tmp_path):
    encoder = dual(pairs)
    text = [pairs[0].anchor]
    assert encoder.encode(text, kind="query") != pytest.approx(encoder.encode(text, kind="document"))
    z = encoder(concat([encoder.tokenize(text, "query"), encoder.tokenize(text, "document")]))
    z.sum().backward()
    expected = [encoder.encode(text, kind=kind)[0] for kind in ("query", "document")]
    assert z.detach().numpy() == pytest.approx(np.stack(expected), abs=1e-6)
    assert encoder.query.embedding.weight.grad is not None
    assert encoder.document.embedding.weight.grad is not None
    encoder.save(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"query", "document", "counterpoint.json"}


def test_search_is_by_inner_product():
    # the longer vector wins although the other is nearer in angle
    ids, _ = exact_search(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [5.0, 5.0]]), 1, metric="dot")
    assert ids.tolist() == [[1]]
