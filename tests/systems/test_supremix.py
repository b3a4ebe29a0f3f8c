"""SupReMix: mixtures have the targets they claim, and the loss is that of a naive loop over all of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import MixTargets
from counterpoint.systems import get
from counterpoint.systems.core.supremix import equal_targets
from counterpoint.testbeds import DIGITS
from counterpoint.testbeds.angles import ANGLES
from systems.through import same, step_of

TARGETS = torch.tensor([10, 12, 12, 14, 70, 90, 0, 13])


def data():
    rows = ANGLES.parts(0)[0][torch.arange(8)]
    rows.columns["angle"].copy_(TARGETS)
    return rows


def naive(step, *, mixed, far=True):
    """With the mixtures that the step had."""
    z, (call,) = F.normalize(torch.cat(step.z()), dim=1), step.calls
    y = torch.cat([call[side].columns["angle"] for side in ("queries", "keys") if side in call]).float()
    total = torch.zeros(())
    for i in range(16):
        keys = [(z[j], float(y[j]), bool(y[j] == y[i])) for j in range(16) if j != i]
        if mixed:
            columns = call["owned"].columns
            keys += [
                (call["owned"].z[i, s].detach(), float(columns["angle"][i, s]), bool(columns["positive"][i, s]))
                for s in range(call["owned"].z.shape[1])
                if columns["valid"][i, s]
            ]
        e = torch.stack([(z[i] @ key / 0.3).exp() for key, _, _ in keys])
        weights = torch.tensor([1 + abs(float(y[i]) - t) if far and not p else 1.0 for _, t, p in keys])
        terms = torch.stack([x for x, (_, _, p) in zip(e, keys, strict=True) if p]) / (weights * e).sum()
        total = total - terms.log().mean() / 16
    return total


def test_loss_is_that_of_a_naive_loop_over_all_mixtures():
    step = step_of("SupReMix", data())
    (call,) = step.calls
    assert "keys" not in call
    owned, y = call["owned"], call["queries"].columns["angle"].float()
    assert not owned.z.requires_grad
    z = F.normalize(torch.cat(step.z()), dim=1).detach()
    for i in range(16):
        lower = [j for j in range(16) if 0 < y[i] - y[j] < 5]
        higher = [k for k in range(16) if 0 < y[k] - y[i] < 5]
        b = {(j, k): float((y[k] - y[i]) / (y[k] - y[j])) for j in lower for k in higher}
        wanted = [b[pair] * z[pair[0]] + (1 - b[pair]) * z[pair[1]] for pair in b]
        chosen = owned.columns["valid"][i]
        positive = owned.columns["positive"][i].bool()
        found = owned.z[i][chosen & positive]
        assert len(found) == len(wanted)
        if wanted:
            torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-4, atol=1e-5)
        negatives, targets = owned.z[i][chosen & ~positive], owned.columns["angle"][i][chosen & ~positive]
        others = [j for j in range(16) if y[j] != y[i]]
        assert len(negatives) == len(others)
        for one, target, j in zip(negatives, targets, others, strict=True):
            share = float((target - y[j]) / (y[i] - y[j]))
            assert 0 <= share <= 1
            torch.testing.assert_close(one, share * z[i] + (1 - share) * z[j], rtol=1e-3, atol=1e-4)
    assert int(owned.columns["positive"][owned.columns["valid"]].sum()) > 0
    same(step, naive(step, mixed=True))


def test_without_mixing_only_the_weights_are_left_and_without_them_supcon():
    step = step_of("SupReMix without mixing", data())
    assert "owned" not in step.calls[0]
    same(step, naive(step, mixed=False))
    step = step_of(equal_targets(), data())
    same(step, naive(step, mixed=False, far=False))


def test_shares_are_of_beta_2_8_so_that_most_of_a_hard_negative_is_of_the_other():
    torch.manual_seed(0)
    points = Points(torch.randn(60, 3), angle=torch.arange(60))
    (call,) = MixTargets("angle", positives=False)([{"queries": points}], lambda _model: {})
    y = torch.arange(60.0)
    share = (call["owned"].columns["angle"] - y[None]) / (y[:, None] - y[None])
    share = share[call["owned"].columns["valid"]]
    assert float(share.mean()) == pytest.approx(0.2, abs=0.01)
    assert float(share.std()) == pytest.approx((16 / (100 * 11)) ** 0.5, abs=0.01)
    assert float(call["owned"].columns["positive"].sum()) == 0


def test_mixtures_are_refused_where_there_are_none():
    with pytest.raises(InputError, match="window of 0"):
        MixTargets("angle", window=0)
    with pytest.raises(InputError, match="at least one kind"):
        MixTargets("angle", positives=False, negatives=False)
    with pytest.raises(InputError, match="lacking"):
        MixTargets("angle")([{"queries": Points(torch.eye(2))}], lambda _model: {})
    with pytest.raises(InputError, match="angle"):
        step_of("SupReMix", DIGITS.parts(0)[0])


@pytest.mark.parametrize("name", ["SupReMix", "SupReMix without mixing"])
def test_the_head_is_linear_and_views_do_not_turn(name):
    step = step_of(name)
    assert step.layers() == ["Linear"]
    assert step.z()[0].shape == (8, 128)
    first, second = step.views()
    pixels = ANGLES.parts(0)[0].anchors.tensor[:8]
    assert first.shape == pixels.shape
    assert not torch.isclose(first, second, atol=0.02).all(dim=(1, 2, 3)).any()
    # lines across stay lines across
    lines = torch.zeros(64, 1, 8, 8)
    lines[:, :, 3:5] = 1.0
    torch.manual_seed(0)
    seen = get(name).method().stages[0].view(lines)
    assert float((seen - seen.mean(3, keepdim=True)).abs().mean()) < 0.06
