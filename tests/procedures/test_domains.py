"""Supports of one domain: see `tests/systems/test_nadaraya_watson.py` for balance and draws."""

from __future__ import annotations

import torch

from counterpoint.points import Points
from counterpoint.procedures import OneDomain


def test_a_class_with_few_keys_is_there_as_often_by_repetition():
    keys = Points(torch.arange(4.0)[:, None], label=torch.tensor([0, 0, 0, 1]), domain=torch.zeros(4).long())
    (call,) = OneDomain("domain", 3)([{"queries": keys, "keys": keys}], lambda _model: {})
    assert sorted(call["keys"].z[:3, 0].tolist()) == [0.0, 1.0, 2.0]
    assert call["keys"].z[3:, 0].tolist() == [3.0] * 3
