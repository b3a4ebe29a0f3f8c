"""MoCHi: what is mixed joins the queue as negatives of the query it was mixed for, and has no gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems.core._moco import moco
from counterpoint.systems.core.mochi import duplicated, mochi
from counterpoint.testbeds import DIGITS
from systems.remembered import assert_random_views, cross_entropy, sides
from systems.through import same, step_of

STEPS = 17
"""The queue then holds 128 keys, and mixing has begun."""


@pytest.fixture(scope="module")
def step():
    return step_of("mochi", steps=STEPS)


def added(step):
    """The keys that a query has for itself, beside its own."""
    (call,) = step.calls
    owned = call["owned"]
    assert owned.columns["positive"].sum(1).tolist() == [1.0] * len(owned)
    assert not owned.z.requires_grad
    return F.normalize(owned.z[:, 1:], dim=2)


def test_mixtures_join_the_negatives_of_a_naive_loop(step):
    of, mixed = sides(step), added(step)
    assert mixed.shape == (8, 64 + 8, 16)
    assert len(of["queue"]) == 8 * (STEPS - 1)
    negatives = torch.cat([mixed, of["queue"].expand(8, -1, -1)], 1)
    same(step, cross_entropy(of["q"], of["k"], negatives))


def angles(a, b):
    """Of each pair of vectors of length one, by the chord, which is exact for small ones."""
    return 2 * torch.asin(torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist") / 2)


def test_mixtures_are_of_two_of_the_64_hardest_or_of_the_query_and_one(step):
    of = sides(step)
    for q, mixed in zip(of["q"].detach(), added(step), strict=True):
        near = of["queue"][(of["queue"] @ q).topk(64).indices]
        to_near, between, to_query = angles(mixed, near), angles(near, near), angles(mixed, q[None])
        # on the arc between two ends, the angles to both add up to theirs
        of_two = to_near[:64, :, None] + to_near[:64, None] - between
        assert float(of_two.flatten(1).min(1).values.max()) < 1e-5
        of_query = to_query[64:] + to_near[64:] - angles(q[None], near)
        least = of_query.min(1)
        assert float(least.values.max()) < 1e-5
        assert float(to_query[:64].min()) > 1e-3
        # of the query at most half
        ends = to_near[64:].gather(1, least.indices[:, None])
        assert bool((ends <= to_query[64:] + 1e-5).all())


def test_mixing_waits_for_ten_steps_until_when_it_is_moco():
    for recipe, steps in ((mochi(), 10), (moco(), STEPS)):
        step = step_of(recipe, DIGITS.parts(0)[0], steps=steps)
        assert added(step).shape[1] == 0
        of = sides(step)
        same(step, cross_entropy(of["q"], of["k"], of["queue"]))
    assert added(step_of("mochi", steps=11)).shape[1] == 72


def test_the_control_has_the_hardest_themselves_once_more():
    step = step_of(duplicated(), DIGITS.parts(0)[0], steps=STEPS)
    of, copies = sides(step), added(step)
    assert copies.shape == (8, 72, 16)
    for q, mine in zip(of["q"].detach(), copies, strict=True):
        near = of["queue"][(of["queue"] @ q).topk(64).indices]
        assert float(torch.cdist(mine, near).min(1).values.max()) < 1e-3
    same(step, cross_entropy(of["q"], of["k"], torch.cat([copies, of["queue"].expand(8, -1, -1)], 1)))


def test_the_temperature_is_what_it_is_tried_with():
    step = step_of(mochi(0.5), DIGITS.parts(0)[0], steps=3)
    of = sides(step)
    same(step, cross_entropy(of["q"], of["k"], of["queue"], 0.5))


def test_the_teacher_follows_slowly_and_the_queue_has_a_thousand_places(step):
    teacher, queue, _ = step.procedure.procedures
    assert (teacher.decay, teacher.symmetric, len(queue.z)) == (0.99, False, 1024)


def test_the_head_has_one_hidden_layer_and_both_views_are_random(step):
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    assert_random_views(step_of("mochi"), "mochi")
