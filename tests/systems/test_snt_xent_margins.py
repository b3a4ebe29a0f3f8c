"""SNT-Xent: the angular margin turns the positive away, the additive one lowers it; both views are anchors."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems.core.snt_xent_margins import one_way, snt_xent, snt_xent_aam
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def turned(s):
    return s * math.cos(0.1) - (1 - s * s).sqrt() * math.sin(0.1)


def loop(step, change, t=0.2, both=True):
    z = F.normalize(torch.cat(step.z()), dim=1)
    n, total = len(z) // 2, torch.zeros(())
    rows = range(2 * n) if both else range(n)
    for i in rows:
        positive = (i + n) % (2 * n)
        others = [k for k in range(2 * n) if k not in (i, positive)] if both else [k for k in range(n, 2 * n)]
        negatives = [z[i] @ z[k] / t for k in others if k != positive]
        own = change(z[i] @ z[positive]) / t
        total = total - own + torch.logsumexp(torch.stack([own, *negatives]), 0)
    return total / len(rows)


def test_angular_margin_turns_the_positive_away():
    step = step_of("snt-xent-aam")
    same(step, loop(step, turned))
    assert float(turned(torch.tensor(0.5))) == pytest.approx(math.cos(math.acos(0.5) + 0.1), rel=1e-6)
    assert loop(step, turned).item() > loop(step, lambda s: s).item() + 0.01


def test_additive_margin_lowers_the_positive():
    step = step_of("snt-xent-am")
    same(step, loop(step, lambda s: s - 0.1))


def test_the_baselines_have_no_margin_and_one_sees_the_other_view_only():
    data = DIGITS.parts(0)[0]
    step = step_of(snt_xent(), data)
    same(step, loop(step, lambda s: s))
    step = step_of(one_way(), data)
    same(step, loop(step, lambda s: s, both=False))
    step = step_of(snt_xent_aam(1 / 30), data)
    same(step, loop(step, turned, 1 / 30))


@pytest.mark.parametrize("name", ["snt-xent-aam", "snt-xent-am"])
def test_the_head_is_wide_with_batch_norm_within_and_views_are_random(name):
    step = step_of(name)
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert (step.network[1][0].out_features, step.network[1][3].out_features) == (512, 128)
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
