"""The dual view: either view is a query of the teacher's other, against the hardest of the queue alone."""

from __future__ import annotations

import pytest
import torch

from counterpoint.systems.core.moco_dual_view import both_ways, moco_dual_view, not_hardest
from counterpoint.testbeds import DIGITS
from systems.remembered import assert_random_views, cross_entropy, sides
from systems.through import same, step_of

STEPS = 42
"""The queue then holds 328 keys, more than are kept."""


@pytest.fixture(scope="module")
def step():
    return step_of("moco-dual-view", steps=STEPS)


def hardest(q, queue, number):
    """Of each query its own."""
    return torch.stack([queue[(queue @ one).topk(number).indices] for one in q.detach()])


def both(of, number, temperature=0.2):
    there = cross_entropy(of["q"], of["k"], hardest(of["q"], of["queue"], number), temperature)
    back = cross_entropy(of["other"], of["back"], hardest(of["other"], of["queue"], number), temperature)
    return (there + back) / 2


def test_loss_is_the_mean_of_both_ways_over_the_hardest(step):
    of = sides(step)
    assert len(step.calls) == 2
    assert len(of["queue"]) == 8 * (STEPS - 1) * 2 > 256
    same(step, both(of, 256))


def test_without_the_filter_all_of_the_queue_counts():
    step = step_of(both_ways(), DIGITS.parts(0)[0], steps=STEPS)
    of = sides(step)
    same(step, both(of, len(of["queue"])))


def test_the_control_has_as_many_negatives_that_are_not_chosen():
    step = step_of(not_hardest(), DIGITS.parts(0)[0], steps=20)
    of = sides(step)
    assert len(of["queue"]) == len(step.procedure.procedures[1].z) == 256
    same(step, both(of, 256))


def test_the_temperature_is_what_it_is_tried_with():
    step = step_of(moco_dual_view(0.5), DIGITS.parts(0)[0], steps=5)
    of = sides(step)
    same(step, both(of, len(of["queue"]), 0.5))


def test_keys_of_both_views_come_into_the_queue_and_the_teacher_follows_slowly(step):
    teacher, queue = step.procedure.procedures
    assert (teacher.decay, teacher.symmetric, len(queue.z)) == (0.99, True, 1024)


def test_the_head_has_one_hidden_layer_and_both_views_are_random(step):
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    assert_random_views(step_of("moco-dual-view"), "moco-dual-view")
