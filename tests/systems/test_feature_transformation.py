"""Feature transformation: positives are moved apart and the queue's keys mixed, by the numbers that were drawn."""

from __future__ import annotations

import pytest
import torch

from counterpoint.procedures import mixing
from counterpoint.systems.core.feature_transformation import feature_transformation, negatives_only, positives_only
from counterpoint.testbeds import DIGITS
from systems.remembered import assert_random_views, cross_entropy, sides
from systems.through import same, step_of

DIM, BATCH, STEPS = 16, 8, 4
NUMBERS = {"ft": (1, 1), "ft-a-pair": (BATCH, 24), "ft-a-dimension": (BATCH * DIM, 24 * DIM)}
"""How many are drawn for the positives, and for the 24 keys of the queue."""


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn, by alpha; each draw goes from 0.1 to 0.4."""
    found = {}

    def beta(n, alpha):
        found[alpha] = torch.linspace(0.1, 0.4, n)
        return found[alpha]

    monkeypatch.setattr(mixing, "beta", beta)
    return found


def moved(of, share):
    """Equations 3 and 4."""
    return (1 + share) * of["q"] - share * of["k"], (1 + share) * of["k"] - share * of["q"]


def among(mixed, queue, share):
    """Whether each is `share` of its own key of the queue and the rest of one other, each other once."""
    other = (mixed - share * queue) / (1 - share)
    distance = torch.cdist(other, queue)
    assert float(distance.min(1).values.max()) < 1e-4
    return sorted(distance.argmin(1).tolist()) == list(range(len(queue)))


@pytest.mark.parametrize("name", list(NUMBERS))
def test_positives_are_apart_and_negatives_between(name, drawn):
    step = step_of(name, steps=STEPS)
    assert {alpha: len(share) for alpha, share in drawn.items()} == dict(zip((2.0, 1.6), NUMBERS[name], strict=True))
    positive, negative = (
        share.view(-1, DIM) if len(share) > 24 else share[:, None] for share in (drawn[2.0], drawn[1.6])
    )
    of, (call,) = sides(step), step.calls
    assert len(of["queue"]) == BATCH * (STEPS - 1)
    assert among(call["keys"].z, of["queue"], negative)
    q, own = moved(of, positive)
    same(step, cross_entropy(q, own, call["keys"].z))


@pytest.mark.parametrize("name", ["ft", "ft-a-pair"])
def test_extrapolated_positives_score_as_equation_5_says(name, drawn):
    step = step_of(name, steps=STEPS)
    of, (call,) = sides(step), step.calls
    s, a = (of["q"] * of["k"]).sum(1), 1 + drawn[2.0]
    found = (call["queries"].z * call["owned"].z[:, 0]).sum(1)
    torch.testing.assert_close(found, 2 * a * (1 - a) * (1 - s) + s)
    assert bool((found < s).all())


def test_the_queue_keeps_the_keys_as_they_were():
    step = step_of("ft", steps=STEPS)
    of = sides(step)
    torch.testing.assert_close(of["queue"], step.procedure.procedures[1].z[: len(of["queue"])])


def test_each_half_alone(drawn):
    step = step_of(positives_only(), DIGITS.parts(0)[0], steps=STEPS)
    assert list(drawn) == [2.0]
    of = sides(step)
    same(step, cross_entropy(*moved(of, drawn[2.0][:, None]), of["queue"]))
    drawn.clear()
    step = step_of(negatives_only(), DIGITS.parts(0)[0], steps=STEPS)
    assert list(drawn) == [1.6]
    of, (call,) = sides(step), step.calls
    assert among(call["keys"].z, of["queue"], drawn[1.6][:, None])
    same(step, cross_entropy(of["q"], of["k"], call["keys"].z))


def test_the_temperature_is_what_it_is_tried_with(drawn):
    step = step_of(feature_transformation(0.5), DIGITS.parts(0)[0], steps=STEPS)
    of, (call,) = sides(step), step.calls
    same(step, cross_entropy(*moved(of, drawn[2.0][:, None]), call["keys"].z, 0.5))


@pytest.mark.parametrize("name", list(NUMBERS))
def test_the_head_has_one_hidden_layer_and_both_views_are_random(name):
    step = step_of(name)
    assert step.layers() == ["Linear", "ReLU", "Linear", "Unit"]
    assert_random_views(step, name)
    teacher, queue, *_ = step.procedure.procedures
    assert (teacher.decay, teacher.symmetric, len(queue.z)) == (0.99, False, 1024)
