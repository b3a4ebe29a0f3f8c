"""Margins: the additive one lowers the positive's cosine, the angular one turns it away; both views are anchors."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.evaluate import detection_cost, equal_error_rate
from systems.views_of_digits import seen_by


def loop(z, change, t=1 / 30, one_way=False):
    n, total = len(z) // 2, 0.0
    rows = range(n) if one_way else range(2 * n)
    for i in rows:
        positive = (i + n) % (2 * n)
        others = range(n, 2 * n) if one_way else [k for k in range(2 * n) if k != i]
        s = {k: float(z[i] @ z[k]) for k in others}
        s[positive] = change(s[positive])
        total -= math.log(math.exp(s[positive] / t) / sum(math.exp(x / t) for x in s.values()))
    return total / len(rows)


@pytest.mark.parametrize("name", ["nt-xent-am", "snt-xent-am"])
def test_loss_is_nt_xent_with_the_positive_lowered(name):
    config, arguments, z = seen_by(name)
    found = config.objective()(**arguments).item()
    assert found == pytest.approx(loop(z, lambda s: s - 0.1), rel=1e-4)
    assert abs(found - loop(z, lambda s: s)) > 0.1


def test_angular_margin_turns_the_positive_away():
    config, arguments, z = seen_by("snt-xent-aam")
    found = config.objective()(**arguments).item()
    assert found == pytest.approx(loop(z, lambda s: math.cos(math.acos(s) + 0.1)), rel=1e-4)


def test_the_one_way_baseline_sees_the_other_view_only():
    from counterpoint.systems.core.snt_xent_margins import one_way

    _, arguments, z = seen_by("snt-xent-aam")
    assert one_way().stages[0].objective()(**arguments).item() == pytest.approx(
        loop(z, lambda s: s, one_way=True), rel=1e-4
    )


@pytest.mark.parametrize("seed", range(3))
def test_equal_error_rate_is_where_misses_equal_false_alarms(seed):
    from sklearn.metrics import roc_curve

    g = torch.Generator().manual_seed(seed)
    same = torch.rand(400, generator=g) < 0.4
    scores = (torch.randn(400, generator=g) + same).numpy()
    fpr, tpr, _ = roc_curve(same.numpy(), scores, drop_intermediate=False)
    place = (abs(fpr - (1 - tpr))).argmin()
    assert equal_error_rate(scores, same.numpy()) == pytest.approx((fpr[place] + 1 - tpr[place]) / 2, abs=5e-3)
    cost = (0.05 * (1 - tpr) + 0.95 * fpr).min() / 0.05
    assert detection_cost(scores, same.numpy(), prior=0.05) == pytest.approx(cost, rel=1e-9)
