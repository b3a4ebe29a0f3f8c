"""Feature transformation: what moving the positives apart does to their score, and what is mixed in the queue."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.procedures import InterpolateNegatives, MixPositives
from systems.views_of_digits import calls_of


def test_extrapolated_positives_score_as_equation_5_says(monkeypatch):
    g = torch.Generator().manual_seed(0)
    q, k = (F.normalize(torch.randn(5, 4, generator=g), dim=1) for _ in range(2))
    share = torch.linspace(0.1, 0.9, 5)
    monkeypatch.setattr("counterpoint.procedures.mixing.beta", lambda n, alpha: share)
    for call in ({"queries": q, "keys": k}, {"queries": q, "owned": Points(k[:, None])}):
        (moved,) = MixPositives()([call], None)
        back = moved["keys"].z if "keys" in moved else moved["owned"].z[:, 0]
        s, a = (q * k).sum(1), 1 + share
        torch.testing.assert_close((moved["queries"].z * back).sum(1), 2 * a * (1 - a) * (1 - s) + s)
        assert bool(((moved["queries"].z * back).sum(1) <= s + 1e-6).all())


def test_interpolated_negatives_lie_between_two_and_matched_keys_stay():
    z = torch.arange(5.0)[:, None].repeat(1, 2)
    keys = Points(z, sample=torch.tensor([7, -1, -1, -1, -1]))
    torch.manual_seed(0)
    (call,) = InterpolateNegatives(1.0)([{"queries": z, "keys": keys}], None)
    found = call["keys"].z
    assert found[0].tolist() == [0.0, 0.0]
    assert not torch.allclose(found[1:], z[1:])
    assert bool(((found[1:] >= 1) & (found[1:] <= 4)).all())


def test_the_queue_keeps_the_keys_as_they_were():
    config, calls, _ = calls_of("ft", steps=3)
    (call,) = calls
    assert len(call["keys"]) == 12
    # mixed, so shorter than one; and the positive's vector is longer
    assert float(call["keys"].z.norm(dim=1).max()) <= 1 + 1e-5
    assert float(call["keys"].z.norm(dim=1).min()) < 1 - 1e-4
    q, own, queue = call["queries"].z, call["owned"].z[:, 0], call["keys"].z
    logits = torch.cat([(q * own).sum(1, keepdim=True), q @ queue.T], 1) / 0.2
    wanted = F.cross_entropy(logits, torch.zeros(6, dtype=torch.long))
    torch.testing.assert_close(config.objective()(**call), wanted)
    assert math.isfinite(float(wanted))
    assert pytest.approx(1.0, abs=1e-4) != float(q.norm(dim=1).max())
