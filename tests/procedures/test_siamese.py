"""Teacher, predictor and queue, each against a loop written by hand; and in the training loop, resumed."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.errors import InputError
from counterpoint.objectives import Alignment, InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import Chain, MomentumQueue, Predictor, Queue, Teacher
from counterpoint.training import RowBatches, TrainConfig, train
from counterpoint.views import noise

CONFIG = TrainConfig(epochs=4, batch_size=16, learning_rate=0.01, dtype="float32", checkpoint_seconds=0.0)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def nothing_again(model):
    raise AssertionError("nothing is to be encoded again")


def test_the_teacher_is_a_running_average_and_gives_the_keys():
    student, x = nn.Linear(3, 2), normal(4, 3)
    teacher = Teacher(0.9)
    teacher.start(student)
    before = copy.deepcopy(student.weight.detach())
    with torch.no_grad():
        student.weight += 1.0

    def again(model):
        return {"queries": model(x[:2]), "keys": model(x[2:])}

    there, back = teacher([{"queries": student(x[:2]), "keys": student(x[2:])}], again)
    torch.testing.assert_close(there["keys"].z, F.linear(x[2:], before, student.bias))
    torch.testing.assert_close(back["keys"].z, F.linear(x[:2], before, student.bias))
    torch.testing.assert_close(back["queries"], student(x[2:]))
    assert not there["keys"].z.requires_grad
    teacher.finish_step()
    torch.testing.assert_close(teacher.model.weight.detach(), before + 0.1)
    assert not any(p.requires_grad for p in teacher.parameters())


def test_stop_gradient_and_predictor_are_simsiams_loss():
    z1, z2, h = normal(5, 3, seed=1).requires_grad_(), normal(5, 3, seed=2).requires_grad_(), nn.Linear(3, 3)
    calls = Chain(Teacher(0.0), Predictor(h))([{"queries": z1, "keys": z2}], nothing_again)
    found = torch.stack([Alignment()(**call) for call in calls]).mean()
    # equation 1 and 4: D = -cos, and |a - b|^2 = 2 - 2 cos
    d = -(F.cosine_similarity(h(z1), z2.detach()).mean() + F.cosine_similarity(h(z2), z1.detach()).mean()) / 2
    torch.testing.assert_close(found, 2 + 2 * d)
    for a, b in zip(torch.autograd.grad(found, (z1, z2)), torch.autograd.grad(2 * d, (z1, z2)), strict=True):
        torch.testing.assert_close(a, b)


def test_the_queue_gives_mocos_logits():
    queue, seen = Queue(4, 3), []
    for step in range(3):
        q, k = normal(2, 3, seed=step), normal(2, 3, seed=10 + step)
        (call,) = queue([{"queries": q, "keys": k}], nothing_again)
        own = (F.normalize(q) * F.normalize(k)).sum(1, keepdim=True)
        past = F.normalize(q) @ F.normalize(torch.cat([*seen[-2:], torch.zeros(0, 3)])).T
        wanted = F.cross_entropy(torch.cat([own, past], 1) / 0.2, torch.zeros(2, dtype=torch.long))
        torch.testing.assert_close(InfoNCE(0.2)(**call), wanted)
        queue.finish_step()
        seen.append(k)
    assert int(queue.filled) == 4
    assert {tuple(row) for row in queue.z.tolist()} == {tuple(row) for row in torch.cat(seen[1:]).tolist()}


def test_in_batch_the_other_keys_are_negatives_too():
    queue, sample = Queue(8, 3, in_batch=True), torch.arange(2)
    batch = {"queries": Points(normal(2, 3), sample=sample), "keys": Points(normal(2, 3, seed=1), sample=sample)}
    for keys in (2, 4):
        (call,) = queue([batch], nothing_again)
        assert len(call["keys"]) == keys
        queue.finish_step()
    assert call["keys"].columns["sample"].tolist() == [0, 1, -1, -1]


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="decay is 1"):
        Teacher(1.0)
    with pytest.raises(InputError, match="one side"):
        Teacher(0.0)([{"queries": torch.eye(2)}], nothing_again)
    with pytest.raises(InputError, match="holds 0 keys"):
        Queue(0, 2)
    with pytest.raises(InputError, match="2 queries and 3 keys"):
        Queue(2, 2)([{"queries": torch.zeros(2, 2), "keys": torch.zeros(3, 2)}], nothing_again)


class Stop(Exception):  # noqa: N818
    """Stands for a kill."""


def run(folder=None, until=None):
    torch.manual_seed(0)
    model, head = ImageEncoder(widths=(8,)), nn.Linear(8, 8)
    images = digits()[torch.arange(48)]
    procedure = Chain(Teacher(0.9), Predictor(nn.Linear(8, 8)), Queue(64, 8))

    def on_row(row):
        if row["step"] == until:
            raise Stop

    result = train(
        model, RowBatches(images, model, view=noise(0.1)), InfoNCE(0.2), CONFIG,
        folder=folder, head=head, procedure=procedure, on_row=on_row,
    )  # fmt: skip
    return torch.cat([p.detach().flatten() for m in (model, procedure) for p in m.parameters()]), result


def test_a_run_with_teacher_predictor_and_queue_resumes_exactly(tmp_path):
    whole, wanted = run()
    with pytest.raises(Stop):
        run(tmp_path, until=7)
    found, result = run(tmp_path)
    torch.testing.assert_close(found, whole, rtol=0, atol=0)
    assert [r["loss"] for r in result.history][-2:] == [r["loss"] for r in wanted.history][-2:]
    # each query sees its own key and, once it is full, the whole queue
    assert wanted.history[-1]["ln_batch"] == pytest.approx(torch.tensor(65.0).log().item())


def test_a_momentum_queue_needs_a_momentum():
    with pytest.raises(InputError, match="decay is 0"):
        MomentumQueue(8, 2, decay=0.0)
