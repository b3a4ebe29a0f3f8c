"""SimANS: 15 of the first 100, the likelier the nearer their score is to the positive's."""

from __future__ import annotations

import numpy as np
import torch

from counterpoint.encoders.towers import Towers
from counterpoint.systems import get
from counterpoint.systems.retrieval.simans import at_random, nearest
from systems.through import same
from systems.vectors import Known, known_rows, own_pairs, watched
from systems.words import small_bert, step_of_texts


def frequencies(recipe, data, encoder):
    """How often each document is drawn."""
    (prepare,) = recipe.stages[1].prepare
    negatives = prepare(data, encoder, 0).negatives
    assert negatives.shape == (len(data), 15)
    return np.bincount(negatives.flatten().numpy(), minlength=len(data.others)) / len(data)


def test_negatives_are_drawn_by_the_distance_to_the_positives_score():
    rows, known = known_rows(400, 500, seed=1)
    # everybody asks the same and has the same answer
    queries = np.repeat(known.sides["query"][:1], 400, 0)
    data, encoder = rows, Known(queries, known.sides["document"])
    data.positives.zero_()
    found = frequencies(get("simans").method(), data, encoder)
    scores = encoder.sides["document"] @ queries[0]
    first = [i for i in np.argsort(-scores)[:100] if i]
    p = np.exp(-0.5 * ((scores[first] - scores[0]) / 0.05) ** 2)
    rng, wanted = np.random.default_rng(0), np.zeros(len(scores))
    for _ in range(400):
        wanted[rng.choice(first, 15, replace=False, p=p / p.sum())] += 1 / 400
    assert found[0] == 0, "the answer is none"
    assert np.abs(found - wanted).max() < 0.15
    assert np.abs(frequencies(at_random(), data, encoder) - wanted).max() > 0.2
    top = frequencies(nearest(), data, encoder)
    assert set(np.flatnonzero(top)) == set(first[:15])


def test_loss_is_over_each_querys_own_list():
    for method in ("simans", at_random()):
        step = step_of_texts(method)
        z = step.network(step.payload.inputs)
        q, positive, mined, own = own_pairs(step)
        assert len(z) == len(q) + len(positive) + len(mined)
        total = torch.zeros(())
        for i, one in enumerate(q):
            assert own[i]
            scores = torch.stack([one @ positive[i], *(one @ mined[k] for k in own[i])]) / 0.05
            total = total - scores.log_softmax(0)[0]
        same(step, total / len(q), rtol=1e-3)


def test_the_first_stage_contrasts_the_batch_and_negatives_are_drawn_anew_five_times():
    asked = []
    step_of_texts(watched(get("simans").method(), asked), steps=12)
    assert [i for i, *_ in asked] == [0] + [1] * 6
    assert asked[0][2].negatives.shape[1] == 1
    first = get("simans").method()
    step = step_of_texts(first.varied("first", **vars(first.stages[0])), steps=1)
    q, positive, mined, _ = own_pairs(step)
    (call,) = step.calls
    shown, partner = call["keys"].columns["input"].tolist(), call["queries"].columns["partner"].tolist()
    keys, total = torch.cat([positive, mined]), torch.zeros(())
    for i, one in enumerate(q):
        others = [k for k in range(len(keys)) if k == i or shown[k] != partner[i]]
        total = total + torch.logsumexp(keys[others] @ one / 0.05, 0) - one @ positive[i] / 0.05
    assert step.objective(**call).isclose((total / len(q)).detach(), rtol=1e-3)


def test_two_encoders_whose_first_token_counts():
    step = step_of_texts("simans", make=small_bert)
    towers = step.network[0]
    assert isinstance(towers, Towers)
    assert [tower.pooling for tower in (towers.query, towers.document)] == ["cls", "cls"]
