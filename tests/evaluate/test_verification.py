"""Verification: the equal error rate and the detection cost, against scikit-learn's curve."""

from __future__ import annotations

import pytest
import torch

from counterpoint.evaluate import detection_cost, equal_error_rate


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
