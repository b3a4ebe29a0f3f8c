"""Serafim: contrastive tension, pairs without what a guide finds too near, and the order of judged pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import Towers
from counterpoint.systems import get
from counterpoint.systems.sentences import serafim
from systems.through import same
from systems.words import KINDS, TUPLES, contrast, small_bert, small_table, steady_bert, step_of_texts

SCORES = (5.0, 4.5, 0.5, 5.0, 2.0, 4.0, 5.0, 3.0, 4.2, 4.8, 4.1, 4.4)
JUDGED = [
    Example(f"a {kind} at night", (f"the {kind} sleeps, says number {i}",), score=score)
    for i, (kind, score) in enumerate(zip(KINDS, SCORES, strict=True))
]


def stage(number, examples=JUDGED, *, make=steady_bert, **options):
    """The last step of one stage of the system."""
    method = get("serafim-pt").method()
    return step_of_texts(replace(method, stages=(method.stages[number],)), examples, make=make, **options)


def order(z, y, likeness, scale=20.0):
    total = torch.ones(())
    n = len(y)
    for i in range(n):
        for j in range(n):
            if y[i] > y[j]:
                found = [likeness(z[k], z[n + k]) for k in (i, j)]
                total = total + (scale * (found[1] - found[0])).exp()
    return total.log()


def gist(q, k, hard, guide, temperature=0.01, *, leave_out=True):
    """Row by row: the pair against all that the guide finds no closer than it is."""
    (gq, gk, gh), n = guide, len(q)
    every = [*[(1, j) for j in range(n)], *[(2, j) for j in range(len(hard))]]

    def cos(a, b):
        return F.cosine_similarity(a, b, dim=0)

    total = torch.zeros(())
    for i in range(n):
        own = cos(gq[i], gk[i])
        logits = [cos(q[i], k[i])]
        others = [(q[i], (k, hard)[s - 1][j], gq[i], (gk, gh)[s - 1][j]) for s, j in every if (s, j) != (1, i)]
        others += [(q[i], q[j], gq[i], gq[j]) for j in range(n) if j != i]
        others += [(k[i], k[j], gk[i], gk[j]) for j in range(n) if j != i]
        logits += [cos(a, b) for a, b, ga, gb in others if not leave_out or cos(ga, gb) <= own]
        total = total - torch.stack(logits).div(temperature).log_softmax(0)[0] / n
    return total


def guide_of(step, examples, make=steady_bert):
    """What the encoder made of the step's texts before training."""
    method = get("serafim-pt").method()
    return method.adapt(make(rows_of(examples))).eval()(step.payload.inputs).detach()


def test_each_stage_s_loss_is_that_of_a_naive_loop():
    step = stage(0, make=small_table, n=12, steps=2)
    assert isinstance(step.network[0], Towers)
    z, (call,) = step.network(step.payload.inputs), step.calls
    q, k, valid = z[:12], z[12:].unflatten(0, (12, -1)), call["owned"].columns["valid"]
    assert k.shape[1] == 1 + serafim.OTHERS == 8
    losses = [
        F.binary_cross_entropy_with_logits(q[i] @ k[i, j], torch.tensor(float(j == 0)))
        for i in range(12)
        for j in range(8)
        if valid[i, j]
    ]
    same(step, torch.stack(losses).mean(), rtol=1e-3)
    # the same sentence in two towers, which were one
    assert not torch.allclose(q, k[:, 0], atol=1e-6)
    step = stage(1, n=12, steps=3)
    (q, k), (gq, gk) = step.z(), guide_of(step, JUDGED).chunk(2)
    none = q[:0]
    same(step, gist(q, k, none, (gq, gk, none)), rtol=1e-3)
    step = stage(2, n=12)
    z, y = step.network(step.payload.inputs), step.calls[0]["queries"].columns["score"]
    same(step, order(z, y, lambda a, b: F.cosine_similarity(a, b, dim=0)), rtol=1e-3)
    # the method's last stage is that one
    assert get("serafim-pt").method().stages[2].objective().temperature == pytest.approx(1 / 20)


def test_sentences_stand_beside_themselves_once_and_others_are_drawn():
    method, data = get("serafim-pt").method(), rows_of([*JUDGED, JUDGED[0]])
    (step,) = method.stages[0].prepare
    found = step(data, nn.Identity(), 0)
    assert len(found) == 24
    assert found.schema == "pairs"
    assert [found.others.texts[i] for i in found.positives[:, 0].tolist()] == list(found.anchors.texts)
    seen = stage(0, n=12)
    ids = seen.payload.inputs.parts
    one, many = (part["input_ids"].split(part["offsets"].diff().tolist()) for part in ids)
    assert all(torch.equal(one[i], many[8 * i]) for i in range(12))


def test_the_tower_that_is_kept_is_the_one_that_is_trained_beside_a_copy():
    data = rows_of(JUDGED)
    encoder = steady_bert(data)
    before = encoder.encode(["a cat"], dtype="float32")
    method = get("serafim-pt").method()
    first = replace(method, stages=method.stages[:1]).changed(steps=2, batch_size=8, learning_rate=1e-2, validations=1)
    made, _ = first.make(data, encoder=encoder)
    assert made is encoder
    assert not torch.allclose(torch.from_numpy(made.encode(["a cat"], dtype="float32")), torch.from_numpy(before))


def test_pairs_of_four_fifths_of_the_highest_score_are_pairs():
    method, data = get("serafim-pt").method(), rows_of([*JUDGED, Example("a", ("b",), score=math.nan)])
    (step,) = method.stages[1].prepare
    found = step(data, nn.Identity(), 0)
    assert found.schema == "pairs"
    assert [found.anchors.texts[i] for i in found.anchor.tolist()] == [e.anchor for e in JUDGED if e.score >= 4]
    scaled = serafim.to_one(data, nn.Identity(), 0).columns["score"]
    torch.testing.assert_close(scaled[:12], torch.tensor(SCORES) / 5)


def test_the_guide_is_the_start_without_dropout_and_leaves_negatives_out():
    step = stage(1, make=small_bert, n=12, steps=3)
    (call,) = step.calls
    wanted = F.normalize(guide_of(step, JUDGED, make=small_bert), dim=1)
    found = call["guide"]
    torch.testing.assert_close(torch.cat(found.queries.chunk(2, 1)), wanted, rtol=1e-4, atol=1e-5)
    # the own pairs' cosines are not the highest of all rows: some negatives are left out
    scores = found.queries @ found.keys.T
    n = len(found.queries)
    assert bool((scores[:, :n] > scores.diag()[:, None]).any())
    plain = step_of_texts(serafim.all_negatives(), TUPLES, make=steady_bert, steps=2)
    q, k = plain.z()
    none = q[:0]
    given = (q.detach(), k.detach(), none)
    same(plain, gist(q, k, none, given, leave_out=False), rtol=1e-3)


def test_gistembed_alone_is_for_pairs_without_contradictions():
    step = step_of_texts("gistembed", TUPLES, make=steady_bert, n=6, steps=2)
    assert len(step.payload.inputs["offsets"]) - 1 == 12
    (q, k), (gq, gk) = step.z(), guide_of(step, TUPLES).chunk(2)
    same(step, gist(q, k, q[:0], (gq, gk, q[:0])), rtol=1e-3)
    ranked = step_of_texts(serafim.ranking(), TUPLES, make=steady_bert)
    same(ranked, contrast(*ranked.z(), temperature=0.05), rtol=1e-3)


def test_angle_and_regression_are_their_own_losses():
    step = step_of_texts(serafim.regression(), JUDGED, make=steady_bert, n=12)
    z = step.network(step.payload.inputs)
    total = torch.zeros(())
    for i, score in enumerate(step.calls[0]["queries"].columns["score"]):
        total = total + (F.cosine_similarity(z[i], z[12 + i], dim=0) - score).square() / 12
    assert float(step.calls[0]["queries"].columns["score"].max()) == 1
    same(step, total, rtol=1e-3)

    def quotient(a, b):
        """Of two complex vectors, by their lengths: the sum of both parts."""
        a, b = (torch.complex(*x.chunk(2)) for x in (a, b))
        c = (a * b.conj()) / (a.abs().square().sum().sqrt() * b.abs().square().sum().sqrt())
        return (c.real.sum() + c.imag.sum()).abs()

    step = step_of_texts(serafim.angle(), JUDGED, make=steady_bert, n=12)
    z, y = step.network(step.payload.inputs), step.calls[0]["queries"].columns["score"]
    same(step, order(z, y, quotient), rtol=1e-3)


def test_vectors_are_of_any_length_and_arms_differ():
    method = get("serafim-pt").method()
    assert not method.adapt(steady_bert(rows_of(JUDGED))).normalize
    assert [s.train.epochs for s in method.stages] == [1, 10, 20]
    assert len({s.train.epochs for s in serafim.in_thirds().stages}) == 1
    assert len(serafim.without_tension().stages) == 2
