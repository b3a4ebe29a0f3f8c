"""USE: each task's own loss on the vectors of one encoder, in batches of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import DeepEncoder, NGramEncoder, TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import use
from systems.through import same
from systems.words import KINDS, small_bert, small_table, steady_bert, step_of_texts

NEIGHBOURS = [Example(f"the {kind} sleeps", (f"then {kind} {i} wakes up",)) for i, kind in enumerate(KINDS)]
ANSWERS = [Example(f"who saw {kind} {i} ?", (f"nobody saw that {kind}",)) for i, kind in enumerate(KINDS)]
CLASSES = [Example(f"one {k} eats", (f"some {k} {i} fasts",), label="abc"[i * 7 % 3]) for i, k in enumerate(KINDS)]
N, BOTH = len(KINDS), ("use", "use-d")


def data(*parts):
    rows = rows_of([row for part in parts for row in part])
    source = torch.arange(len(parts)).repeat_interleave(torch.tensor([len(part) for part in parts]))
    return replace(rows, columns={**rows.columns, "source": source})


EVERY = data(NEIGHBOURS, ANSWERS, CLASSES)


def through(network, x) -> torch.Tensor:
    for layer in network:
        x = layer.weight @ x + layer.bias if isinstance(layer, nn.Linear) else layer(x)
    return x


def of_a_response(network, u, v) -> torch.Tensor:
    second, total = [through(network, each) for each in v], torch.zeros(())
    for i, each in enumerate(u):
        total = total - F.log_softmax(torch.stack([each @ other for other in second]), 0)[i] / len(u)
    return total


def of_a_class(network, u, v, label) -> torch.Tensor:
    total = torch.zeros(())
    for a, b, own in zip(u, v, label, strict=True):
        total = total - F.log_softmax(through(network, torch.cat([a, b, (a - b).abs(), a * b])), 0)[own] / len(u)
    return total


def loss_of(step, task, u, v, label) -> torch.Tensor:
    *responses, (pairs, _) = [getattr(way, "procedures", way) for way in step.procedure.procedures]
    return of_a_class(pairs.network, u, v, label) if task == 2 else of_a_response(responses[task].network, u, v)


@pytest.mark.parametrize("name", BOTH)
def test_losses_are_those_of_a_naive_loop_over_each_task(name):
    seen = set()
    for steps in range(3, 9):
        step = step_of_texts(name, EVERY, make=steady_bert, n=N, steps=steps)
        (call,) = step.calls
        rows = step.payload.arguments(torch.zeros(2 * N, 16))["queries"].columns
        # a batch is of one source alone
        (task,) = EVERY.columns["source"][rows["sample"]].unique().tolist()
        if task in seen:
            continue
        assert len(call["queries"]) == N
        same(step, loss_of(step, task, *step.z(), rows["label"]), rtol=1e-3)
        seen.add(task)
        if len(seen) == 3:
            break
    assert seen == {0, 1, 2}


def test_of_a_batch_with_all_tasks_the_loss_is_their_mean():
    step = step_of_texts(use.use().varied("mixed", together=""), EVERY, make=steady_bert, n=3 * N)
    u, v = step.z()
    rows = step.payload.arguments(torch.zeros(6 * N, 16))["queries"].columns
    some = [rows["task"] == task for task in range(3)]
    losses = [loss_of(step, task, u[mine], v[mine], rows["label"][mine]) for task, mine in enumerate(some)]
    same(step, torch.stack(losses).mean(), rtol=1e-3)


def test_the_networks_are_as_wide_as_the_vectors():
    shapes = [[tuple(p.shape) for p in way.parameters() if p.ndim == 2] for way in use.by_task(16).procedures]
    assert shapes == [[(16, 16), (16, 16)], [(16, 16), (16, 16)], [(512, 64), (3, 512)]]


def test_a_vector_is_the_sum_of_all_states_over_the_root_of_their_number():
    encoder = step_of_texts("use", EVERY, make=small_bert, n=N).network[0].eval()
    inputs = encoder.tokenize(["the cat sleeps", "who saw cat 0 ?"])
    with torch.no_grad():
        states, offsets = encoder._hidden(inputs), inputs["offsets"].tolist()
        for i, z in enumerate(encoder(inputs)):
            own = states[offsets[i] : offsets[i + 1]]
            torch.testing.assert_close(z, own.sum(0) / len(own) ** 0.5)


@pytest.mark.parametrize("name", BOTH)
def test_both_sides_are_read_alike(name):
    step = step_of_texts(name, EVERY, n=N)
    encoder = step.network[0]
    first, second = (encoder.tokenize(["the cat"], kind)["input_ids"] for kind in ("query", "document"))
    assert torch.equal(first, second)
    assert not encoder.normalize


def test_the_averaging_network_is_four_layers_on_words_and_bigrams():
    step = step_of_texts("use-d", EVERY, make=small_bert, n=N)
    encoder = step.network[0]
    assert isinstance(encoder, DeepEncoder)
    assert isinstance(encoder.encoder, NGramEncoder)
    assert (encoder.encoder.n, encoder.layers, encoder.normalize) == (2, 4, False)
    assert use.averaged(encoder) is encoder
    assert any(name.endswith("grams.weight") and float(g.norm()) > 0 for name, g in step.gradient.items())


def test_sources_without_a_class_are_tasks_in_their_order():
    other = use.tasks(data(CLASSES, ANSWERS, NEIGHBOURS), small_table(EVERY), 0)
    assert other.columns["task"].tolist() == [2] * N + [0] * N + [1] * N
    assert use.tasks(rows_of(CLASSES), small_table(EVERY), 0).columns["task"].tolist() == [2] * N
    more = data(NEIGHBOURS, ANSWERS, CLASSES, [Example("a", ("b",))])
    with pytest.raises(InputError, match="3 sources of pairs without a class, and 2 tasks"):
        step_of_texts("use", more, n=3 * N + 1)


@pytest.mark.parametrize("name", BOTH)
def test_pairs_of_more_classes_are_refused(name):
    more = data(NEIGHBOURS, [*CLASSES, Example("a", ("b",), label="d")])
    with pytest.raises(InputError, match="4 classes of pairs, and the classifier has 3"):
        step_of_texts(name, more, n=2 * N + 1)


def test_what_the_system_is_compared_with():
    def prepared(recipe):
        rows = EVERY
        for step in recipe.stages[0].prepare:
            rows = step(rows, small_table(EVERY), 0)
        return rows

    assert prepared(use.unsupervised()).columns["task"].unique().tolist() == [0, 1]
    assert prepared(use.inference()).columns["task"].unique().tolist() == [2]
    others = prepared(use.shuffled_classes()).columns["label"]
    own = EVERY.columns["label"]
    assert (others[: 2 * N] == -1).all()
    assert not torch.equal(others, own)
    assert torch.equal(others.sort().values, own.sort().values)
    encoder = small_bert(EVERY)
    assert not isinstance(use.words(encoder), TransformerEncoder)
    assert get("use").method().takes.describe() == "pairs of texts, each with its label"
