"""SupReMix: mixtures have the targets they claim, and the loss is that of a naive loop."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.procedures import MixTargets
from counterpoint.systems.core._turned import angles, turned
from systems.stages import stage


def batch(n=6):
    torch.manual_seed(0)
    angle = torch.tensor([10, 40, 40, 70, 90, 0])[:n]
    columns = {"angle": angle, "sample": torch.arange(n)}
    return [Points(torch.randn(n, 5), columns) for _ in range(2)]


def test_loss_is_that_of_a_naive_loop_over_mixtures():
    q, k = batch()
    q.z.requires_grad_()
    config = stage("SupReMix")
    (call,) = config.procedure(5)([{"queries": q, "keys": k}], lambda _model: {})
    assert "keys" not in call
    z = F.normalize(torch.cat([q.z, k.z]), dim=1).detach()
    owned = call["owned"].with_z(call["owned"].z.detach())
    y = torch.cat([q.columns["angle"]] * 2).tolist()
    total = 0.0
    for i in range(12):
        keys = [(z[j], float(y[j]), float(y[i] == y[j])) for j in range(12) if j != i]
        for s in range(owned.z.shape[1]):
            if owned.columns["valid"][i, s]:
                keys.append(
                    (owned.z[i, s], float(owned.columns["angle"][i, s]), float(owned.columns["positive"][i, s]))
                )
        e = [math.exp(float(z[i] @ key) / 0.1) for key, _, _ in keys]
        weights = [1.0 if positive else 1 + abs(y[i] - target) / 10 for _, target, positive in keys]
        bottom = sum(w * x for w, x in zip(weights, e, strict=True))
        terms = [math.log(x / bottom) for x, (_, _, positive) in zip(e, keys, strict=True) if positive]
        total -= sum(terms) / len(terms) / 12
    loss = config.objective()(**call)
    assert loss.item() == pytest.approx(total, rel=1e-4)
    loss.backward()
    # also that of the lowest and the highest target, which have no hard positive
    assert q.z.grad.isfinite().all()
    assert (q.z.grad.norm(dim=1) > 0).all()


def test_mixtures_lie_between_points_as_their_targets_do():
    # one dimension of the unnormalised mixture is the target itself
    y = torch.tensor([0.0, 20.0, 50.0, 90.0])
    points = Points(torch.stack([y.deg2rad().cos(), y.deg2rad().sin()], 1), angle=y)
    (call,) = MixTargets("angle", positives=8, negatives=8)([{"queries": points}], lambda _model: {})
    owned = call["owned"]
    valid, target, positive = (owned.columns[name] for name in ("valid", "angle", "positive"))
    assert valid[:, :8].any(1).tolist() == [False, True, True, False]
    assert valid[:, 8:].all()
    assert torch.equal(target[:, :8], y[:, None].expand(4, 8))
    assert positive[:, :8].all()
    assert not positive[:, 8:].any()
    # on the circle chords keep the order of the ends, so a mixture of two lies between them
    angle = torch.atan2(owned.z[..., 1], owned.z[..., 0]).rad2deg()
    for i in range(4):
        for s in range(8, 16):
            low, high = sorted([float(y[i]), float(2 * target[i, s] - y[i])])
            assert min(low, 0) - 1e-3 <= float(angle[i, s]) <= max(high, 90) + 1e-3
            assert (float(angle[i, s]) - float(y[i])) * (float(target[i, s]) - float(y[i])) > 0
    assert ((angle[1:3, :8] > 0) & (angle[1:3, :8] < 90)).all()


def test_the_target_is_the_angle_an_image_was_turned_by():
    train, test = angles(0)
    assert (int(train.columns["angle"].min()), int(train.columns["angle"].max())) == (0, 90)
    assert len(train) + len(test) == 1797
    corner = torch.zeros(1, 1, 8, 8)
    corner[..., 3, 7] = 1.0
    once = turned(corner, torch.tensor([90.0]))
    assert torch.allclose(once, corner.rot90(1, (2, 3)), atol=1e-5) or torch.allclose(
        once, corner.rot90(-1, (2, 3)), atol=1e-5
    )
