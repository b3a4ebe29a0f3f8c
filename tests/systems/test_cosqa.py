"""CoCLR: every query with every code of the batch through a network, and queries once more with two words switched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.systems.retrieval.cosqa import in_batch, labels_alone, lead, matched, rewriting, rewritten, switched
from counterpoint.testbeds import Trained
from counterpoint.testbeds.code import MADE_JUDGED_CODE
from systems.through import same
from systems.words import TUPLES, small_table, step_of_texts


def naive(step, *, others):
    """Two means, over pairs that belong together and over those that do not."""
    z = step.network(step.payload.inputs)
    layers = step.procedure.network
    given = step.payload.arguments(z)
    asked, keys = given["queries"].columns, given["keys"].columns
    (u, v), (call,) = (given["queries"].z, given["keys"].z), step.calls
    good, bad = [], []
    for i in range(len(u)):
        for j in range(len(v)):
            pair = torch.cat([u[i], v[j], u[i] - v[j], u[i] * v[j]])
            logit = layers[2](torch.tanh(layers[0](pair)))[0]
            if keys["sample"][j] == asked["sample"][i]:
                good.append(-F.logsigmoid(logit))
            elif keys["input"][j] == asked["partner"][i]:
                continue  # a query and its rewritten copy share a code
            elif others or keys["row"][j] == asked["row"][i]:
                bad.append(-F.logsigmoid(-logit))
    assert len(good) == 8
    assert len(good) + len(bad) == len(call["queries"])
    return torch.stack(good).mean() + torch.stack(bad).mean()


@pytest.mark.parametrize(
    ("make", "others"), [("cosqa", True), (in_batch, True), (rewriting, False), (labels_alone, False)]
)
def test_loss_is_that_of_a_naive_loop_over_every_pair(make, others):
    step = step_of_texts(make if isinstance(make, str) else make(), TUPLES, n=8)
    same(step, naive(step, others=others), rtol=1e-3)


@pytest.mark.parametrize(("make", "twice"), [("cosqa", True), (rewriting, True), (in_batch, False)])
def test_queries_are_rewritten_where_they_should_be(make, twice):
    step = step_of_texts(make if isinstance(make, str) else make(), TUPLES, n=12)
    hard = int((step.payload.arguments(step.network(step.payload.inputs))["keys"].columns["sample"] < 0).sum())
    # of 12 rows all have a code that was judged not to match, or about half of 24
    assert (hard < 12) == twice


def test_each_query_stands_again_with_two_words_switched():
    data = rows_of(TUPLES)
    twice = rewritten(data, torch.nn.Identity(), 0)
    n = len(data)
    assert len(twice) == 2 * n
    assert torch.equal(twice.positives[:n], twice.positives[n:])
    assert twice.negatives[:n].min() >= 0
    assert twice.negatives[n:].max() < 0
    for old, new in zip(twice.anchors.texts[:n], twice.anchors.texts[n:], strict=True):
        assert sorted(old.split()) == sorted(new.split())
        assert sum(a != b for a, b in zip(old.split(), new.split(), strict=True)) == 2
    assert switched(["one", "one"], torch.Generator()) == ["one", "one"]


def test_vectors_are_not_scaled_and_the_network_has_tanh():
    step = step_of_texts("cosqa", TUPLES, n=8)
    z = step.network(step.payload.inputs).detach().norm(dim=1)
    assert float(z.std()) > 1e-3
    assert [type(layer).__name__ for layer in step.procedure.network] == ["Linear", "Tanh", "Linear"]
    assert step.procedure.network[0].weight.shape == (16, 64)


def narrow(data, seed):
    del seed
    return small_table(data)


def test_codes_are_found_by_the_network():
    bed = replace(MADE_JUDGED_CODE, steps=1, settings=MADE_JUDGED_CODE.settings | {"batch_size": 4}, start=narrow)
    parts = bed.parts(0)
    made = Trained(in_batch).made(bed, parts, 0)
    test = parts[1]
    u, v = (
        torch.from_numpy(made.encoder.encode_items(side, kind=kind))
        for side, kind in ((test.queries, "query"), (test.corpus, "document"))
    )
    total, led = 0.0, []
    own = [next(iter(test.answers.relevant[i])) for i in range(len(u))]
    with torch.no_grad():
        for i in range(len(u)):
            pairs = torch.stack([torch.cat([u[i], one, u[i] - one, u[i] * one]) for one in v])
            s = made.procedure.network(pairs)[:, 0]
            best = max(float(s[d]) for d in test.answers.relevant[i])
            rank = 1 + int((s > best).sum())
            total += 1 / rank if rank <= 10 else 0.0
            if i < 64:
                others = [float(s[d]) for j, d in enumerate(own[:64]) if j != i]
                led.append(float(s[own[i]]) - sum(others) / len(others))
    assert matched.of(made) == pytest.approx(total / len(u), abs=1e-3)
    assert lead.of(made) == pytest.approx(sum(led) / len(led), abs=1e-3)
