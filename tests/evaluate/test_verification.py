"""Verification: the equal error rate, the detection cost and pair classification, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from counterpoint.errors import InputError
from counterpoint.evaluate import detection_cost, equal_error_rate, pair_classification


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


def naive_best(scores, same, measure):
    """The best of a measure over all thresholds, and the pairs accepted there."""
    cuts = [*np.unique(scores), np.inf]
    return max(measure(same, scores >= cut) for cut in cuts)


@settings(max_examples=50)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=15))
def test_pair_classification(rows):
    scores, same = np.array([s for s, _ in rows]) / 7, np.array([b for _, b in rows])
    if same.all() or not same.any():
        with pytest.raises(InputError, match="of pairs that are the same and of others"):
            pair_classification(scores, same)
        return
    result = pair_classification(scores, same, samples=0)
    assert result["average precision"].value == pytest.approx(average_precision_score(same, scores))
    assert result["accuracy"].value == pytest.approx(naive_best(scores, same, accuracy_score))
    assert result["f1"].value == pytest.approx(naive_best(scores, same, f1_score))


def test_thresholds_are_said():
    result = pair_classification(np.array([0.9, 0.7, 0.3, 0.1]), np.array([True, True, False, False]), samples=200)
    assert result["accuracy"].value == result["f1"].value == 1.0
    assert result.notes == ("thresholds, fitted on these pairs: accuracy at 0.5000, f1 at 0.5000",)
    assert result["average precision"].interval.high == 1.0
