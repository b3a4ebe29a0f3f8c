"""Online clusters: how they begin, how they move, and who is whose mate."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import BoundedMargin
from counterpoint.points import Points
from counterpoint.procedures import ClusterNegatives


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def call_of(z, k=None, **columns):
    sample = torch.arange(len(z))
    return {"queries": Points(z, sample=sample), "keys": Points(z if k is None else k, sample=sample, **columns)}


def test_they_begin_far_from_each_other_one_after_another(monkeypatch):
    monkeypatch.setattr(torch, "randint", lambda most, size: torch.tensor(5))
    z, k = normal(9, 3), normal(9, 3, seed=1)
    clusters = ClusterNegatives(4, 3, start=1.0)
    (call,) = clusters([call_of(z, k)], None)
    assert "cluster" not in call["queries"].columns
    assert len(call["keys"]) == 9
    chosen = [5]
    for _ in range(3):
        left = [j for j in range(9) if j not in chosen]
        chosen.append(min(left, key=lambda j: float(F.cosine_similarity(z[chosen[-1]], k[j], dim=0))))
    torch.testing.assert_close(clusters.centroids, z[chosen])


def test_they_begin_when_the_mean_cosine_is_low_enough():
    z = normal(8, 4)
    mean = float((F.normalize(z, dim=1) @ F.normalize(z, dim=1).T).mean())
    for start, begun in ((mean - 1e-3, 0), (mean + 1e-3, 3)):
        clusters = ClusterNegatives(3, 4, start=start)
        clusters([call_of(z)], None)
        assert int(clusters.begun) == begun
    few = ClusterNegatives(30, 4, start=1.0)
    few([call_of(z)], None)
    assert int(few.begun) == 8
    one = ClusterNegatives(3, 4, start=1.0)
    one([call_of(z[:1])], None)
    assert not one.begun


def test_a_centroid_without_members_stays_and_others_move_to_their_sum():
    clusters = ClusterNegatives(3, 2, start=1.0, rate=0.25)
    clusters.centroids.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    clusters.begun.fill_(3)
    z = torch.tensor([[4.0, 0.1], [2.0, 0.0], [0.1, 3.0]], requires_grad=True)
    (call,) = clusters([call_of(z, age=torch.tensor([1.0, 2.0, 3.0]))], None)
    wanted = torch.tensor([[0.75 + 1.5, 0.025], [0.025, 1.5 + 0.75], [-1.0, 0.0]])
    torch.testing.assert_close(clusters.centroids, wanted)
    keys = call["keys"]
    assert keys.columns["cluster"].tolist() == [0, 0, 1, -1, -1, -1]
    assert call["queries"].columns["cluster"].tolist() == [0, 0, 1]
    torch.testing.assert_close(keys.z[3:], wanted[[1, 1, 0]])
    assert keys.columns["sample"].tolist() == [0, 1, 2, -1, -1, -1]
    assert keys.columns["age"].tolist() == [1.0, 2.0, 3.0, 0.0, 0.0, 0.0]
    torch.testing.assert_close(keys.columns["part"], torch.tensor([1 / 3] * 3 + [0.0] * 3))
    # what is kept or among the keys has no gradient
    (gradient,) = torch.autograd.grad(keys.z[3:].sum() + 0 * z.sum(), z, retain_graph=True)
    assert not gradient.any()
    # the first two are mates: 0.7 too far or not, by naive numbers
    loss = BoundedMargin(0.05, 0.1, relation=ClusterNegatives.mates)(**call)
    near = float(F.cosine_similarity(z[0], z[1], dim=0).detach()) - 1
    assert float(loss.detach()) == pytest.approx(2 * (max(near + 0.05, 0) + max(-near - 0.1, 0)) / 9, abs=1e-6)


def test_without_numbers_keys_are_those_at_the_same_places():
    z, k = normal(6, 3), normal(6, 3, seed=1)
    torch.manual_seed(0)
    bare, known = (ClusterNegatives(3, 3, start=1.0) for _ in range(2))
    for call in ({"queries": z, "keys": k}, call_of(z, k)):
        clusters = bare if call["queries"] is z else known
        torch.manual_seed(1)
        for _ in range(2):
            (made,) = clusters([call], None)
        assert made["keys"].columns["sample"].tolist() == [*range(6), *[-1] * 6]
    assert torch.equal(bare.centroids, known.centroids)


def test_keys_must_be_those_of_the_queries():
    z = normal(4, 3)
    wrong = {"queries": Points(z, sample=torch.arange(4)), "keys": Points(z, sample=torch.arange(4).flip(0))}
    for call in (wrong, {**wrong, "keys": Points(z[:2], sample=torch.arange(2))}):
        with pytest.raises(InputError, match="not those of the queries"):
            ClusterNegatives(2, 3)([call], None)


@pytest.mark.parametrize("options", [{"clusters": 1}, {"rate": 0.0}, {"rate": 1.5}])
def test_numbers_out_of_their_range_are_refused(options):
    with pytest.raises(InputError, match="clusters that move"):
        ClusterNegatives(**({"clusters": 4, "dim": 2} | options))
