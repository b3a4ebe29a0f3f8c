"""AMR-LE: two classifiers of texts that are read together, one after the other, over one encoder."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.sentences import amr_le
from counterpoint.views.equivalents import SEPARATOR
from encoders.test_adapting import llama
from systems.through import same, step_of
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

LABEL = torch.arange(12) % 3
TEXTS = Data.alone(
    Items("text", [f"a {kind} sleeps{SEPARATOR}the {kind} is {i}" for i, kind in enumerate(KINDS)]), label=LABEL
)


def cross_entropy(step, label) -> torch.Tensor:
    """Of the texts that the step saw, one after another."""
    total = torch.zeros(())
    for logits, wanted in zip(step.network(step.payload.inputs), label.tolist(), strict=True):
        total = total - F.log_softmax(logits, 0)[wanted] / len(label)
    return total


def without_dropout(method, stage: int):
    """One stage, its classifier and the encoder without dropout, which a second forward would draw anew."""
    recipe = method.varied(method.name, stages=(method.stages[stage],))
    head = recipe.stages[0].head

    def steady(width: int) -> nn.Module:
        made = head(width)
        for part in made:
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        return made

    return replace(recipe, stages=(replace(recipe.stages[0], head=steady),))


def test_both_losses_are_the_cross_entropy_of_a_naive_loop():
    method, data = get("amr-le").method(), {}
    for stage, classes in ((0, 2), (1, 3)):
        step = step_of_texts(without_dropout(method, stage), TEXTS, make=steady_bert, n=12)
        data[stage] = label = step.calls[0]["queries"].columns["label"]
        assert step.network(step.payload.inputs).shape == (12, classes)
        assert len(step.payload.views) == 1
        same(step, cross_entropy(step, label), rtol=1e-3)
    # the first is of the laws, whatever the data; the second of the data
    assert set(data[0].tolist()) == {0, 1}
    assert sorted(data[1].tolist()) == sorted(LABEL.tolist())


def test_the_first_stage_is_trained_before_the_second_and_leaves_its_encoder():
    steps, method = [], get("amr-le").method()
    for stages in (method.stages, method.stages[1:]):
        recipe = method.varied(method.name, stages=stages)
        steps.append(step_of(recipe, TEXTS, encoder=steady_bert(TEXTS), n=12))
    both, alone = ([p for name, p in s.network.named_parameters() if name.startswith("0.")] for s in steps)
    assert any(not torch.equal(a, b) for a, b in zip(both, alone, strict=True))
    assert steps[0].network(steps[0].payload.inputs).shape == (12, 3)
    assert [type(layer).__name__ for layer in steps[0].network[1]] == ["Dropout", "Linear", "Tanh", "Dropout", "Linear"]


def test_the_first_stage_reads_equivalent_sentences_and_others():
    (law,) = get("amr-le").method().stages[0].prepare
    texts = law(TEXTS, None, 0)
    assert len(texts) == 4000
    assert all(text.count(SEPARATOR) == 1 for text in texts.anchors.texts)
    step = step_of_texts(without_dropout(get("amr-le").method(), 0), TEXTS, make=small_bert, n=12)
    label = {
        row: int(y)
        for row, y in zip(rows_of(step.network[0].inputs(texts.anchors)), texts.columns["label"], strict=True)
    }
    seen = step.calls[0]["queries"].columns["label"].tolist()
    assert [label[row] for row in rows_of(step.payload.inputs)] == seen


def rows_of(features):
    """The tokens of each text."""
    return [tuple(row.tolist()) for row in features["input_ids"].split(features["offsets"].diff().tolist())]


def test_first_tokens_are_read_where_there_are_some_and_dropout_is_there():
    adapt = get("amr-le").method().adapt
    assert adapt(steady_bert(TEXTS)).pooling == "cls"
    encoder = adapt(llama()).train()
    inputs = encoder.tokenize(TEXTS.anchors.texts)
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_with_the_mechanism_off_equivalence_is_of_others_and_the_task_is_not():
    off = amr_le.shuffled_equivalence()
    law, shuffle = off.stages[0].prepare
    plain = law(TEXTS, None, 0)
    mixed = shuffle(plain, None, 0)
    assert mixed.anchors.texts == plain.anchors.texts
    assert 0.4 < (mixed.columns["label"] == plain.columns["label"]).float().mean() < 0.6
    assert off.stages[1].prepare == ()
    assert amr_le.fine_tuned().stages == (amr_le.amr_le().stages[1],)
