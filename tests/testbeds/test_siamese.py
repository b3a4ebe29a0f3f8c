"""What is measured of queues, sorting and clusters: numbers that are known; and what it is measured on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.systems.core._moco import moco
from counterpoint.systems.core.mochi import duplicated
from counterpoint.systems.core.swav import two_views
from counterpoint.testbeds import CIFAR, DIGITS, Trained
from counterpoint.testbeds.beds import halves
from counterpoint.testbeds.siamese import (
    added,
    added_score,
    budget,
    clusters,
    clusters_used,
    hardest_negatives,
    hardest_score,
    order,
    ordered,
    seen,
)

BED = replace(DIGITS, steps=12, settings={"batch_size": 64})


def at(*degrees):
    angle = torch.tensor(degrees).float() * math.pi / 180
    return torch.stack([angle.cos(), angle.sin()], 1)


@pytest.fixture(scope="module")
def made():
    return {make: Trained(make).made(BED, halves(0), 0) for make in (moco, duplicated, two_views)}


def test_more_views_have_as_many_steps_as_two():
    two, four, six = (moco().varied("more", views=views) for views in (2, 4, 6))
    beds = (budget(CIFAR, 0.5), two), (CIFAR, four), (budget(CIFAR, 1.5), six)
    assert [bed.settled(recipe).stages[0].train.epochs for bed, recipe in beds] == [CIFAR.epochs / 2] * 3


def test_what_was_added_is_near_by_its_cosine():
    owned = Points(torch.stack([at(0, 0), 5 * at(60, 90)], 1), positive=torch.tensor([[1.0, 0.0]] * 2))
    call = {"queries": Points(3 * at(0, 90)), "owned": owned}
    assert added_score(call) == pytest.approx((0.5 + 1) / 2)
    assert added_score({**call, "owned": Points(owned.z[:, :1], positive=torch.ones(2, 1))}) == 0.0


def test_the_nearest_quarter_is_counted():
    keys = Points(at(0, 90, 180, 180, 180, 180, 180, 60))
    assert hardest_score({"queries": Points(at(0)), "keys": keys}) == pytest.approx((1 + 0.5) / 2)


def test_order_is_that_of_positives_and_the_ten_hardest():
    q = at(*[0.0] * 12, 90)
    # the keys of the twelve are nearer than the thirteenth, and further than each other
    call = {"queries": Points(q), "keys": Points(torch.cat([at(*[10.0] * 12), at(95)]))}
    # of the twelve none of the ten hardest, which are the same point, comes behind; of the last all do
    assert ordered(call) == pytest.approx(1 / 13)


def test_clusters_are_counted_by_their_sizes():
    c = torch.eye(4)
    assert clusters_used(2 * c, 3 * c) == 1.0
    assert clusters_used(torch.ones(4, 4) + c[:1], c) == 0.25
    assert clusters_used(torch.cat([c[:1]] * 3 + [c[1:2]]), c) == pytest.approx(
        math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))) / 4, abs=1e-5
    )


def test_figures_are_of_the_teacher_and_the_queue_as_training_left_them(made):
    plain, copies = made[moco], made[duplicated]
    (call,) = seen(plain)
    queue = plain.procedure.procedures[1]
    assert len(call["keys"]) == int(queue.filled) == 12 * 64
    assert queue._new == []
    assert len(call["queries"]) == 512
    assert hardest_negatives.of(plain) == pytest.approx(hardest_score(call))
    assert added.of(plain) == 0.0
    (call,) = seen(copies)
    q, near = F.normalize(call["queries"].z, dim=1), F.normalize(call["keys"].z, dim=1)
    least, most = (q @ near.T).topk(64).values[:, -1].mean(), (q @ near.T).max(1).values.mean()
    assert float(least) < added.of(copies) < float(most)


def test_figures_are_the_same_whenever_they_are_asked_for(made):
    for figure, make in ((hardest_negatives, moco), (order, two_views)):
        assert figure.of(made[make]) == figure.of(made[make])


def test_clusters_are_of_the_prototypes_that_were_learned(made):
    assert 1 / 100 <= clusters.of(made[two_views]) < 1
    assert 0 <= order.of(made[two_views]) <= 1
