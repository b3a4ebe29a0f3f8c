"""MCL: a batch shares its whole history of clusters; the stages stand side by side."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.core import mcl
from counterpoint.testbeds.marked import MARKED_DIGITS
from systems.through import same, step_of


class Whole:
    """A method that trains its own start, for `step_of`."""

    def __init__(self, recipe):
        self.recipe = recipe

    def changed(self, **settings):
        return Whole(self.recipe.changed(**settings))

    def make(self, data, seed, encoder):
        del encoder
        return self.recipe.make(data, seed)


def nt_xent(z):
    n, total = len(z) // 2, torch.zeros(())
    for i in range(2 * n):
        own = (i + n) % (2 * n)
        others = [j for j in range(2 * n) if j % n != i % n]
        s = torch.stack([F.cosine_similarity(z[i], z[j], dim=0) / 0.5 for j in (own, *others)])
        total = total + torch.logsumexp(s, 0) - s[0]
    return total / (2 * n)


def test_the_last_stage_trains_on_batches_of_one_cluster(monkeypatch):
    monkeypatch.setattr(mcl, "BATCH", 8)
    train = MARKED_DIGITS.parts(0)[0]
    step = step_of(Whole(get("mcl").method()), train, n=8, steps=6)
    cluster = step.calls[0]["queries"].columns["cluster"]
    assert len(cluster.unique()) == 1 < len(cluster) <= 8
    same(step, nt_xent(torch.cat(step.z())))
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    plain = step_of(Whole(mcl.all_negatives()), train, n=24)
    same(plain, nt_xent(torch.cat(plain.z())))
    assert {r.stages[-1].together for r in (get("mcl").method(), mcl.by_chance())} == {"cluster"}


def test_views_are_random_and_keep_the_mark():
    step = step_of(Whole(get("mcl").method()), MARKED_DIGITS.parts(0)[0], n=8)
    first, second = step.views()
    assert torch.equal(first[:, 1], second[:, 1])
    assert not torch.isclose(first[:, 0], second[:, 0]).all(dim=(1, 2)).any()


def alike(cluster):
    """Of each two pictures whether they are in one cluster."""
    cluster = torch.as_tensor(cluster)
    return cluster[:, None] == cluster


def test_batches_share_the_clusters_of_every_stage_before(monkeypatch):
    data, seen, models = MARKED_DIGITS.parts(0)[0][torch.arange(660)], [], []

    def train_stage(stage, data, encoder, seed):
        seen.append(data.columns["cluster"])
        models.append(encoder)
        return mcl.TrainResult(steps=1), None

    monkeypatch.setattr(mcl, "train_stage", train_stage)
    joined, result = get("MCL").method().make(data, 0)
    assert len(seen) == mcl.STAGES == result.steps == 3
    assert seen[0].unique().tolist() == [0]
    assert 1 < len(seen[1].unique()) <= mcl.CLUSTERS < len(seen[2].unique())
    from sklearn.cluster import KMeans

    items = data.anchors[data.anchor]
    own = [KMeans(mcl.CLUSTERS, n_init=1, random_state=0).fit_predict(m.encode_items(items)) for m in models[:2]]
    assert torch.equal(alike(seen[1]), alike(own[0]))
    assert torch.equal(alike(seen[2]), alike(own[0]) & alike(own[1]))
    assert np.allclose(
        joined.encode_items(items), np.concatenate([m.encode_items(items) for m in models], 1), atol=1e-6
    )
    seen.clear()
    models.clear()
    mcl.by_chance().make(data, 0)
    sizes = [np.bincount(np.unique(c, return_inverse=True)[1]) for c in (own[0], seen[1].numpy())]
    assert sorted(sizes[0]) == sorted(sizes[1])
    assert not torch.equal(alike(seen[1]), alike(own[0]))


def test_marks_are_by_chance_and_in_a_channel_of_their_own():
    train, _ = MARKED_DIGITS.parts(0)
    pixels, mark = train.anchors.tensor, train.columns["mark"]
    assert pixels.shape[1:] == (2, 8, 8)
    corners = pixels[:, 1, ::4, ::4].flatten(1)
    assert torch.equal((corners * torch.tensor([1, 2, 4, 8])).sum(1).long(), mark)
    assert len(mark.unique()) == 16
