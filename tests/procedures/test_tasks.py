"""Rows of several tasks: what each procedure is given, and what becomes of loss and gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import ByTask, Chain, Predictor, Procedure, Teacher

TASK = torch.tensor([1, 0, 1, 1, 0])


def call(task=TASK):
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(5, 3, generator=generator, requires_grad=True) for _ in range(2))
    sample = torch.arange(5)
    columns = {} if task is None else {"task": task}
    return {"queries": Points(u, sample=sample, **columns), "keys": Points(v, sample=sample)}


def test_each_task_has_its_network_and_sees_its_own_rows_alone():
    given, networks = call(), [nn.Linear(3, 3), nn.Linear(3, 3)]
    u, v = given["queries"].z, given["keys"].z
    calls = ByTask(Predictor(networks[0]), Predictor(networks[1], side="keys"))([given], lambda model: {})
    loss = torch.stack([InfoNCE(1.0, geometry=Dot())(**each) for each in calls]).mean()
    total = torch.zeros(())
    for i, task in enumerate(TASK.tolist()):
        mine = [j for j, other in enumerate(TASK.tolist()) if other == task]
        if task == 0:
            q = networks[0].weight @ u[i] + networks[0].bias
            scores = torch.stack([q @ v[j] for j in mine])
        else:
            scores = torch.stack([u[i] @ (networks[1].weight @ v[j] + networks[1].bias) for j in mine])
        total = total - torch.log_softmax(scores, 0)[mine.index(i)] / len(mine) / 2
    torch.testing.assert_close(loss, total)
    over = [u, v, *(p for network in networks for p in network.parameters())]
    for mine, naive in zip(*(torch.autograd.grad(value, over) for value in (loss, total)), strict=True):
        torch.testing.assert_close(mine, naive)


def test_tasks_that_a_batch_lacks_are_not_called():
    class Never(Procedure):
        def forward(self, calls, again):
            raise AssertionError

    made = ByTask(Never(), Procedure())([call(torch.ones(5).long())], lambda model: {})
    assert [len(each["queries"]) for each in made] == [5]


def test_a_teacher_of_one_task_starts_follows_and_sees_its_rows():
    student = nn.Sequential(nn.Linear(3, 3), nn.Identity())
    teacher = Teacher(0.5, symmetric=False)
    procedure = ByTask(Procedure(), Chain(teacher))
    procedure.start(student)
    before = teacher.model[0].weight.clone()
    other = call()
    made = procedure([call()], lambda model: {**other, "keys": other["keys"].with_z(model(other["keys"].z))})
    torch.testing.assert_close(made[1]["keys"].z, student(other["keys"].z)[TASK == 1])
    assert not made[1]["keys"].z.requires_grad
    with torch.no_grad():
        student[0].weight.add_(1)
    procedure.finish_step()
    torch.testing.assert_close(teacher.model[0].weight, before + 0.5)


@pytest.mark.parametrize("task", [None, TASK + 1, TASK - 1])
def test_rows_of_no_task_are_refused(task):
    with pytest.raises(InputError, match="do not say which of 2 tasks"):
        ByTask(Procedure(), Procedure())([call(task)], lambda model: {})


def test_keys_that_are_not_one_a_query_are_refused():
    given = call()
    for keys in (None, given["keys"][:3]):
        with pytest.raises(InputError, match="one key each"):
            ByTask(Procedure(), Procedure())([{**given, "keys": keys}], lambda model: {})
