"""Adapters for sentence embeddings: InfoNCE of a domain's pairs, a frozen model, bottlenecks that can be exchanged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.encoders import AdapterEncoder
from counterpoint.systems import get
from counterpoint.systems.sentences import adapters
from systems.through import same
from systems.words import PAIRS, TUPLES, contrast, small_bert, steady_bert, step_of_texts

SLUG = "sentence-embedding-adapters"


def made(examples, start, steps=2):
    """The adapters of a domain, trained around a start."""
    method = get(SLUG).method().changed(steps=steps, batch_size=8, learning_rate=1e-2, validations=1, dtype="float32")
    return method.make(rows_of(examples), encoder=start)[0]


def test_loss_is_that_of_a_naive_loop_and_only_bottlenecks_learn():
    step = step_of_texts(SLUG, PAIRS, make=steady_bert, steps=2, n=4)
    (encoder, _) = step.network
    assert isinstance(encoder, AdapterEncoder)
    assert encoder.size == 107
    assert {name.split(".")[1] for name in step.gradient} == {"adapters"}
    assert len(step.gradient) == 2 * 4
    same(step, contrast(*step.z()), rtol=1e-3)
    whole = step_of_texts(adapters.fine_tuned(), PAIRS, make=steady_bert)
    assert "0.model.embeddings.word_embeddings.weight" in whole.gradient
    same(whole, contrast(*whole.z()), rtol=1e-3)


def test_contradictions_of_a_row_are_negatives_of_all():
    step = step_of_texts(SLUG, TUPLES, make=steady_bert)
    z = step.network(step.payload.inputs)
    assert len(z) == 24
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)


def test_before_training_and_without_its_adapters_it_is_the_model_that_it_was():
    start = small_bert(rows_of(PAIRS)).eval()
    before = start.encode(["a cat"], dtype="float32")
    fresh = get(SLUG).method().adapt(start).eval()
    assert (fresh.encode(["a cat"], dtype="float32") == before).all()
    trained = made(PAIRS, start).eval()
    assert abs(trained.encode(["a cat"], dtype="float32") - before).max() > 1e-4
    assert (trained.encoder.encode(["a cat"], dtype="float32") == before).all()


def test_adapters_of_domains_are_exchanged_around_one_model():
    start = small_bert(rows_of(PAIRS)).eval()
    one = made(PAIRS, start).eval()
    first = one.encode(["a cat at night"], dtype="float32")
    other = made(PAIRS[::-1], start, steps=4).eval()
    assert abs(other.encode(["a cat at night"], dtype="float32") - first).max() > 1e-4
    other.adapters = one.adapters
    assert (other.encode(["a cat at night"], dtype="float32") == first).all()


def test_of_bert_base_they_are_3_6_percent():
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        whole = sum(p.numel() for p in BertModel(BertConfig()).parameters())
        shape = nn.Linear(768, adapters.SIZE), nn.Linear(adapters.SIZE, 768)
    added = 2 * 12 * sum(p.numel() for part in shape for p in part.parameters())
    assert added / whole == pytest.approx(0.036, abs=5e-4)
