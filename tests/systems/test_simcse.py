"""SimCSE: dropout is the view (equation 1), contradictions are shared negatives (equation 5), the head goes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example, read
from counterpoint.data.rows import rows_of
from counterpoint.encoders.scratch import small_transformer
from counterpoint.training import TrainConfig, train
from counterpoint.training.rows import RowBatches
from systems.stages import stage

TEXTS = ["a man plays the guitar", "two children run in the park", "the cat sleeps", "nobody is here"]
SNLI = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data")) / "snli" / "dev.tsv"


def encoder(dropout: float = 0.1, texts=TEXTS):
    return small_transformer(texts, layers=1, width=32, vocab_size=400, dropout=dropout, normalize=False)


def sides(model, examples):
    payload = RowBatches(rows_of(examples), model).payload(torch.arange(len(examples)))
    return payload, payload.arguments(model(payload.inputs))


def cos(a, b):
    return F.cosine_similarity(a, b, dim=0).item()


def test_two_encodings_of_a_text_differ_by_dropout_only():
    examples = [Example(text) for text in TEXTS]
    torch.manual_seed(0)
    payload, seen = sides(encoder().train(), examples)
    tokens = payload.inputs["input_ids"]
    half = len(tokens) // 2
    assert torch.equal(tokens[:half], tokens[half:])
    h, h2 = seen["queries"].z, seen["keys"].z
    assert not torch.allclose(h, h2)
    assert F.cosine_similarity(h, h2).min().item() > 0.5
    for same in (encoder(dropout=0.0).train(), encoder().eval()):
        _, without = sides(same, examples)
        torch.testing.assert_close(without["queries"].z, without["keys"].z)
    # equation 1, a loop
    expected = 0.0
    for i in range(len(h)):
        total = sum(math.exp(cos(h[i], h2[j]) / 0.05) for j in range(len(h)))
        expected -= math.log(math.exp(cos(h[i], h2[i]) / 0.05) / total) / len(h)
    assert stage("simcse").objective()(**seen).item() == pytest.approx(expected, rel=1e-4)


def check_equation_5(examples):
    texts = [text for e in examples for text in e.texts]
    torch.manual_seed(0)
    _, seen = sides(encoder(texts=texts).train(), examples)
    h, keys = seen["queries"].z, seen["keys"].z
    n = len(h)
    assert len(keys) == 2 * n
    positive, negative = keys[:n], keys[n:]
    expected = 0.0
    for i in range(n):
        total = sum(math.exp(cos(h[i], positive[j]) / 0.05) + math.exp(cos(h[i], negative[j]) / 0.05) for j in range(n))
        expected -= math.log(math.exp(cos(h[i], positive[i]) / 0.05) / total) / n
    assert stage("SimCSE supervised").objective()(**seen).item() == pytest.approx(expected, rel=1e-4)


def test_supervised_loss_is_equation_5_over_2n_columns():
    check_equation_5(
        [
            Example("a man plays", ("a person plays music",), ("a man sleeps",)),
            Example("children run", ("kids are running",), ("children sit down",)),
            Example("it rains", ("there is rain",), ("the sun shines",)),
        ]
    )


@pytest.mark.skipif(not SNLI.exists(), reason="no inference pairs at hand")
def test_supervised_loss_on_inference_pairs():
    whole = [e for e in read(SNLI).examples if e.positives and e.negatives][:16]
    check_equation_5([Example(e.anchor, e.positives[:1], e.negatives[:1]) for e in whole])


def test_the_head_learns_and_is_not_in_what_is_kept():
    config, model = stage("simcse"), encoder()
    head = config.head(model.dim)
    assert [type(layer).__name__ for layer in head] == ["Linear", "Tanh"]
    before = head[0].weight.detach().clone()
    settings = TrainConfig(batch_size=2, learning_rate=1e-2, dtype="float32")
    train(model, RowBatches(rows_of([Example(t) for t in TEXTS]), model), config.objective(), settings, head=head)
    assert not torch.allclose(before, head[0].weight)
    with torch.inference_mode():
        plain = model(model.tokenize(TEXTS)).numpy()
    assert model.encode(TEXTS, dtype="float32") == pytest.approx(plain, abs=1e-5)
