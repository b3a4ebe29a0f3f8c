"""Mixtures of vectors: where they lie, what has a number of its own, and what stays as it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.procedures import InterpolateNegatives, MixNegatives, MixPositives, mixing


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_mixtures_lie_on_the_segments_of_the_hardest_negatives():
    q, k = F.normalize(normal(3, 4), dim=1), F.normalize(normal(20, 4, seed=1), dim=1)
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


def test_copies_are_the_hardest_themselves():
    q, k = F.normalize(normal(3, 4), dim=1), F.normalize(normal(20, 4, seed=1), dim=1)
    (copied,) = MixNegatives(3, 8, 5, mixed=False)([{"queries": q, "keys": k}], None)
    assert copied["owned"].z.shape == (3, 13, 4)
    for i in range(3):
        near = k[(q[i] @ k.T).topk(3).indices]
        assert float(torch.cdist(copied["owned"].z[i], near).min(1).values.max()) < 1e-3


def test_matched_keys_are_not_mixed_and_warm_up_waits():
    q = torch.eye(2)
    keys = Points(torch.eye(2), sample=torch.arange(2))
    call = {"queries": Points(q, sample=torch.arange(2)), "keys": keys}
    procedure = MixNegatives(1, 4, 0, after=1)
    assert procedure([call], None) == [call]
    procedure.finish_step()
    (mixed,) = procedure([call], None)
    torch.testing.assert_close(mixed["owned"].z[0], torch.eye(2)[1].expand(4, 2))


@pytest.mark.parametrize(("each", "numbers"), [("batch", 1), ("pair", 5), ("dimension", 20)])
def test_a_batch_a_pair_or_a_dimension_has_a_number_of_its_own(each, numbers, monkeypatch):
    monkeypatch.setattr(mixing, "beta", lambda n, alpha: torch.arange(1.0, n + 1) / (2 * n))
    q, k = F.normalize(normal(5, 4), dim=1), F.normalize(normal(5, 4, seed=1), dim=1)
    share = 1 + (torch.arange(1.0, numbers + 1) / (2 * numbers)).view(-1, 4 if numbers == 20 else 1)
    for call in ({"queries": q, "keys": k}, {"queries": q, "owned": Points(k[:, None])}):
        (moved,) = MixPositives(each=each)([call], None)
        back = moved["keys"].z if "keys" in moved else moved["owned"].z[:, 0]
        torch.testing.assert_close(moved["queries"].z, share * q + (1 - share) * k)
        torch.testing.assert_close(back, share * k + (1 - share) * q)
    torch.manual_seed(0)
    (between,) = InterpolateNegatives(each=each)([{"queries": q, "keys": Points(k, sample=torch.full((5,), -1))}], None)
    torch.manual_seed(0)
    torch.testing.assert_close(between["keys"].z, (share - 1) * k + (2 - share) * k[torch.randperm(5)])


def test_interpolated_negatives_lie_between_two_and_matched_keys_stay():
    z = torch.arange(5.0)[:, None].repeat(1, 2)
    keys = Points(z, sample=torch.tensor([7, -1, -1, -1, -1]))
    torch.manual_seed(0)
    (call,) = InterpolateNegatives(1.0)([{"queries": z, "keys": keys}], None)
    found = call["keys"].z
    assert found[0].tolist() == [0.0, 0.0]
    assert not torch.allclose(found[1:], z[1:])
    assert bool(((found[1:] >= 1) & (found[1:] <= 4)).all())
