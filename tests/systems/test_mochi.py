"""MoCHi and the dual view: mixtures of the hardest negatives; both ways, and the hardest alone."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.procedures import MixNegatives
from systems.views_of_digits import calls_of


def test_mixtures_lie_on_the_segments_of_the_hardest_negatives():
    g = torch.Generator().manual_seed(0)
    q, k = (F.normalize(torch.randn(n, 4, generator=g), dim=1) for n in (3, 20))
    call = {"queries": Points(q, sample=torch.arange(3)), "keys": Points(k, sample=torch.full((20,), -1))}
    (mixed,) = MixNegatives(3, 8, 5)([call], None)
    found = mixed["owned"]
    assert found.z.shape == (3, 13, 4)
    assert not found.z.requires_grad
    assert float(found.columns["positive"].sum()) == 0
    for i in range(3):
        near = k[(q[i] @ k.T).topk(3).indices]
        for j in range(13):
            s = found.z[i, j]
            assert float(s.norm()) == pytest.approx(1, abs=1e-5)
            ends = [(a, b) for a in near for b in near] if j < 8 else [(q[i], b) for b in near]
            # s is a positive combination of both ends; of the query at most half
            fits = []
            for a, b in ends:
                w = torch.linalg.lstsq(torch.stack([a, b], 1), s[:, None]).solution[:, 0]
                close = torch.allclose(w[0] * a + w[1] * b, s, atol=1e-4)
                fits.append(close and float(w.min()) > -1e-4 and (j < 8 or float(w[0]) <= float(w[1]) + 1e-4))
            assert any(fits)


def test_matched_keys_are_not_mixed_and_warm_up_waits():
    q = torch.eye(2)
    keys = Points(torch.eye(2), sample=torch.arange(2))
    call = {"queries": Points(q, sample=torch.arange(2)), "keys": keys}
    mixing = MixNegatives(1, 4, 0, after=1)
    assert mixing([call], None) == [call]
    mixing.finish_step()
    (mixed,) = mixing([call], None)
    torch.testing.assert_close(mixed["owned"].z[0], torch.eye(2)[1].expand(4, 2))


def test_the_system_mixes_the_queue_after_its_warm_up():
    _, calls, _ = calls_of("mochi", steps=18)
    (call,) = calls
    # one positive, 64 mixtures and 16 with the query; the queue holds the 17 batches before
    assert call["owned"].z.shape[1] == 1 + 64 + 16
    assert len(call["keys"]) == 17 * 6
    assert call["owned"].columns["positive"].sum(1).tolist() == [1.0] * 6


def test_dual_view_loss_is_the_mean_of_both_ways_over_the_hardest():
    config, calls, _ = calls_of("moco-dual-view", steps=40)
    assert len(calls) == 2
    wanted, kept = [], 512 // 4
    for call in calls:
        q, own, queue = (F.normalize(x, dim=1) for x in (call["queries"].z, call["owned"].z[:, 0], call["keys"].z))
        negatives = (q @ queue.T).topk(kept, 1).values
        logits = torch.cat([(q * own).sum(1, keepdim=True), negatives], 1) / 0.2
        wanted.append(F.cross_entropy(logits, torch.zeros(6, dtype=torch.long)))
    found = [config.objective()(**call) for call in calls]
    torch.testing.assert_close(torch.stack(found).mean(), torch.stack(wanted).mean())
    assert math.log(kept + 1) < math.log(len(queue))
