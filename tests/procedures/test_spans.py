"""Lists of passages and of their parts: two calls, whose losses together are of both levels."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.geometry import MaxSim
from counterpoint.objectives import DistillKL
from counterpoint.points import Points
from counterpoint.procedures import SpanLists

NAN = float("nan")


def batch():
    """Two queries with lists of two of three passages, one list shorter, passages of one to three parts."""
    z = torch.randn(5, 4, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    listed = torch.tensor([[7, 9], [8, 7]])
    teacher = torch.tensor([[0.3, 1.2], [2.0, NAN]]).double()
    parts = torch.tensor([[[0.1, 0.9, NAN], [1.0, NAN, NAN]], [[0.2, 0.4, 0.7], [0.5, 0.6, NAN]]]).double()
    asked = Points(z[:2].requires_grad_(), listed=listed, teacher=teacher, parts=parts, label=torch.tensor([4, 5]))
    return asked, Points(z[2:].requires_grad_(), input=torch.tensor([7, 8, 9]))


def naive(asked, keys):
    """Of both levels, query by query."""
    known, first, second = keys.columns["input"].tolist(), 0.0, 0.0
    for i in range(len(asked)):
        there = [k for k in range(2) if not asked.columns["teacher"][i, k].isnan()]
        passages = [keys.z[known.index(int(asked.columns["listed"][i, k]))] for k in there]
        teacher = asked.columns["teacher"][i, there]
        student = torch.stack([(asked.z[i, 0] @ d[0].T).amax(1).sum() for d in passages])
        first = first + (teacher.softmax(0) * (teacher.log_softmax(0) - student.log_softmax(0))).sum()
        for w, k, d in zip(teacher.softmax(0), there, passages, strict=True):
            said = asked.columns["parts"][i, k]
            own = [p for p in range(3) if not said[p].isnan()]
            student = torch.stack([(asked.z[i, 1] @ d[1 + p].T).amax(1).sum() for p in own])
            t, s = said[own].log_softmax(0), student.log_softmax(0)
            second = second + w * (t.exp() * (t - s)).sum()
    return first / len(asked), second / len(asked)


def test_losses_are_those_of_a_loop_over_passages_and_their_parts():
    asked, keys = batch()
    calls = SpanLists()([{"queries": asked, "keys": keys}], lambda model: {})
    loss = [DistillKL(1.0, geometry=MaxSim())(**call) for call in calls]
    wanted = naive(asked, keys)
    for found, one in zip(loss, wanted, strict=True):
        torch.testing.assert_close(found, one)
    sides = (asked.z, keys.z)
    for found, one in zip(
        torch.autograd.grad(sum(loss), sides, retain_graph=True), torch.autograd.grad(sum(wanted), sides), strict=True
    ):
        torch.testing.assert_close(found, one)


def test_without_parts_there_are_passages_alone():
    asked, keys = batch()
    (call,) = SpanLists(parts=False)([{"queries": asked, "keys": keys}], lambda model: {})
    torch.testing.assert_close(DistillKL(1.0, geometry=MaxSim())(**call), naive(asked, keys)[0])
    assert call["queries"].columns.keys() == {"label"}


def test_what_does_not_fit_is_refused():
    asked, keys = batch()
    without = Points(asked.z, {name: value for name, value in asked.columns.items() if name != "parts"})
    for queries in (without, asked.with_z(asked.z[:, :3])):
        with pytest.raises(InputError, match="do not fit"):
            SpanLists()([{"queries": queries, "keys": keys}], lambda model: {})
