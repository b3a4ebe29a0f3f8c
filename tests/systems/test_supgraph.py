"""SupGraph-CP: neighbours of a class against tokens of others over two convolutions, then a classifier of few texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.pretraining import token_graph
from counterpoint.systems import get
from counterpoint.systems.sentences.supgraph import fine_tuned, of_examples, supgraph
from counterpoint.testbeds import Trained
from counterpoint.testbeds.related import TWO_SECTIONS, accuracy_of_task
from systems.through import same, step_of

KINDS = ("cat", "dog", "fox", "owl", "bee", "ant", "eel", "hen")
TEXTS = [f"the {kind} {word} here" for kind in KINDS for word in ("sleeps well", "runs far")]
LABELLED = Data.alone(Items("text", TEXTS), label=torch.arange(16) % 2)


def start(data=LABELLED):
    return StaticEncoder.from_corpus(data.anchors.texts, vocab_size=200, dim=8)


def first_stage():
    method = get("supgraph-cp").method()
    return replace(method, stages=method.stages[:1])


def naive(step, *, sign: float = 1.0, among: str = "both"):
    """For each token the mean over its neighbours of the cross-entropy of inner products, by 5, among both kinds."""
    task = step.network[0]
    part = task.encoder.embedding.parametrizations.weight
    layer, x = part[0], part.original
    a = layer.adjacency.to_dense()
    h = a @ (a @ x @ layer.first.weight.T + layer.first.bias) @ layer.second.weight.T + layer.second.bias
    (call,) = step.calls
    total = torch.zeros(())
    for ids, positive in zip(step.payload.inputs, call["owned"].columns["positive"], strict=True):
        s = sign * h[ids[1:]] @ h[ids[0]] / 5
        near = positive.nonzero()[:, 0].tolist()
        far = [k for k in range(len(s)) if k not in near]
        for p in near:
            seen = s if among == "both" else s[[p, *far]]
            total = total - (s[p] - torch.logsumexp(seen, 0)) / len(near) / len(step.payload.inputs)
    return total


def test_loss_is_that_of_a_naive_loop_over_neighbours_of_a_class(monkeypatch):
    monkeypatch.setattr(token_graph.F, "dropout", lambda x, p, training: x)
    step = step_of(first_stage(), LABELLED, encoder=start(), n=4, steps=2)
    same(step, naive(step))
    for wrong in ({"sign": -1.0}, {"among": "own"}):
        with pytest.raises(AssertionError):
            same(step, naive(step, **wrong))
    # convolutions learn, and what they convolve does not
    assert {name.rpartition("weight.0.")[2] for name in step.gradient} == {
        "first.weight", "first.bias", "second.weight", "second.bias",
    }  # fmt: skip


def test_dropout_is_between_the_convolutions_in_training_alone():
    layer = token_graph.Convolved(torch.eye(50).to_sparse(), 4)
    x = torch.ones(50, 4)
    assert layer.dropout == 0.2
    assert len(layer(x).unique(dim=0)) > 1
    assert len(layer.eval()(x).unique(dim=0)) == 1


def test_the_classifier_begins_with_what_tokens_have_become():
    step = step_of(get("supgraph-cp").method(), LABELLED, encoder=start(), n=8, steps=2)
    encoder = step.network[0]
    assert isinstance(encoder, StaticEncoder)
    assert not encoder.normalize
    assert not torch.nn.utils.parametrize.is_parametrized(encoder.embedding)
    z = step.network(step.payload.inputs)
    assert z.shape[1] == 6
    label = step.calls[0]["queries"].columns["label"]
    same(step, torch.nn.functional.cross_entropy(z, label))
    plain = start().embedding.weight
    assert (encoder.embedding.weight - plain).abs().max() > 0.1 * plain.abs().max()


def test_each_stage_has_its_own_texts():
    data = replace(LABELLED, columns={**LABELLED.columns, "related": (torch.arange(16) % 4 > 0).long()})
    tokens, fine = get("supgraph-cp").method().stages
    found = [stage.prepare[0](data, start(), 0) for stage in (tokens, fine)]
    assert [part.columns["related"].unique().tolist() for part in found] == [[1], [0]]
    assert [len(stage.prepare[0](LABELLED, start(), 0)) for stage in (tokens, fine)] == [16, 16]
    (alone,) = fine_tuned().stages
    assert alone.prepare == fine.prepare
    assert of_examples().stages[0].prepare[0] is tokens.prepare[0]
    with pytest.raises(InputError, match="no row has related 1"):
        tokens.prepare[0](data[data.columns["related"] == 0], start(), 0)
    with pytest.raises(InputError, match="7 classes"):
        fine.prepare[1](replace(LABELLED, columns={"label": torch.arange(16) % 7}), start(), 0)


def test_it_is_measured_by_its_own_classifier():
    made = Trained(supgraph).made(TWO_SECTIONS, TWO_SECTIONS.parts(0), 0)
    data = made.test
    z = torch.from_numpy(made.encoder.encode_items(data.anchors[data.anchor]))
    with torch.inference_mode():
        said = made.head(z).argmax(1)
    assert accuracy_of_task.of(made) == pytest.approx(float((said == data.columns["label"]).float().mean()))
