"""InferSent: three linear layers on features of pairs, and the cross-entropy of their class."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import infersent
from systems.through import same
from systems.words import PAIRS, TUPLES, small_bert, small_table, step_of_texts

ROWS = [replace(e, label="abc"[i * 7 % 3]) for i, e in enumerate(PAIRS)]
ROWS[5] = replace(ROWS[5], positives=ROWS[4].positives, label="abc"[(4 * 7 + 1) % 3])  # a text in two pairs


def cross_entropy(step, features) -> torch.Tensor:
    """Of the pairs that the step saw, one after another, by the weights of its classifier."""
    u, v = step.z()
    layers = [layer for layer in step.procedure.network if isinstance(layer, nn.Linear)]
    (call,) = step.calls
    total = torch.zeros(())
    for a, b, label in zip(u, v, call["queries"].columns["label"], strict=True):
        x = features(a, b)
        for layer in layers:
            x = layer.weight @ x + layer.bias
        total = total - F.log_softmax(x, 0)[label] / len(u)
    return total


def test_loss_is_the_cross_entropy_of_a_naive_loop_over_pairs():
    data = rows_of(ROWS)
    # dropout is taken off, so a second forward is the same
    step = step_of_texts("infersent", data, make=small_bert, n=12)
    # a batch is shuffled, so classes are those of the pairs by their anchors
    (call,) = step.calls
    assert "keys" not in call
    rows = call["queries"].columns["sample"]
    assert torch.equal(call["queries"].columns["label"], data.columns["label"][rows])
    assert call["queries"].z.shape == (12, 3)
    same(step, cross_entropy(step, lambda a, b: torch.cat([a, b, (a - b).abs(), a * b])), rtol=1e-3)
    # two pairs of one text each count, whatever their class
    assert not step.objective.left_out


def test_the_classifier_is_three_linear_layers_with_nothing_between():
    network = infersent.classifier(16).network
    assert [(type(layer), layer.in_features, layer.out_features) for layer in network] == [
        (nn.Linear, 64, 512), (nn.Linear, 512, 512), (nn.Linear, 512, 3),
    ]  # fmt: skip
    method = get("infersent").method()
    assert method.stages[0].head is None
    assert method.takes.describe() == "pairs of texts, each with its label"


def test_vectors_are_the_greatest_states_without_dropout():
    step = step_of_texts("infersent", rows_of(ROWS), make=small_bert, n=12)
    encoder = step.network[0]
    assert encoder.pooling == "max"
    assert torch.equal(encoder(step.payload.inputs), encoder(step.payload.inputs))
    mean = step_of_texts(infersent.pooled_by_mean(), rows_of(ROWS), make=small_bert, n=12)
    assert mean.network[0].pooling == "mean"
    for method in (get("infersent").method(), infersent.pooled_by_mean()):
        assert not method.adapt(small_table(rows_of(ROWS))).normalize
    assert mean.loss != pytest.approx(step.loss, rel=1e-4)


def test_pairs_of_more_classes_are_refused():
    more = rows_of([replace(PAIRS[0], label="d"), *ROWS])
    with pytest.raises(InputError, match="4 classes of pairs, and the classifier has 3"):
        step_of_texts("infersent", more, make=small_bert)


def test_with_the_mechanism_off_classes_are_of_others():
    data = rows_of(ROWS)
    step = step_of_texts(infersent.shuffled_classes(), data, make=small_bert, n=12)
    (call,) = step.calls
    own = data.columns["label"][call["queries"].columns["sample"]]
    assert not torch.equal(call["queries"].columns["label"], own)
    assert torch.equal(call["queries"].columns["label"].sort().values, own.sort().values)


def test_the_baseline_sees_every_sentence_alone():
    step = step_of_texts(infersent.unsupervised(), rows_of(TUPLES), make=small_bert, n=12)
    (call,) = step.calls
    assert torch.equal(call["queries"].columns["sample"], call["keys"].columns["sample"])
    first, second = step.payload.inputs["input_ids"].chunk(2)
    assert torch.equal(first, second)
