"""MCL: a row's negatives share its whole history of clusters; the stages stand side by side."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core import mcl
from counterpoint.systems.core._digits import as_rows
from systems.stages import stage


def test_loss_is_that_of_a_naive_loop_over_the_cluster():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(6, 4, generator=g), torch.randn(6, 4, generator=g)
    sample, cluster = torch.arange(6), torch.tensor([0, 0, 1, 1, 1, 2])
    sides = [Points(z, sample=sample, cluster=cluster) for z in (x, y)]
    z = F.normalize(torch.cat([x, y]), dim=1).double()
    terms = []
    for i in range(12):
        own = (i + 6) % 12
        others = [j for j in range(12) if j % 6 != i % 6 and cluster[j % 6] == cluster[i % 6]]
        scores = [math.exp(float(z[i] @ z[j]) / 0.5) for j in (own, *others)]
        terms.append(-math.log(scores[0] / sum(scores)))
    assert stage("MCL").objective()(*sides).item() == pytest.approx(sum(terms) / 12, rel=1e-5)


def test_negatives_share_the_clusters_of_every_stage_before(monkeypatch):
    images, seen, models = digits()[torch.arange(60)], [], []

    def train_stage(stage, data, encoder, seed):
        seen.append(data.columns["cluster"])
        models.append(encoder)
        return None, None

    monkeypatch.setattr(mcl, "train_stage", train_stage)
    joined, _ = get("MCL").method().make(as_rows(images), 0)
    assert len(seen) == mcl.STAGES == 3
    assert seen[0].unique().tolist() == [0]
    assert 1 < len(seen[1].unique()) <= mcl.CLUSTERS < len(seen[2].unique())
    from sklearn.cluster import KMeans

    own = [
        KMeans(mcl.CLUSTERS, n_init=1, random_state=0).fit_predict(model.encode(images.pixels)) for model in models[:2]
    ]
    for i, j in combinations(range(60), 2):
        assert bool(seen[1][i] == seen[1][j]) == (own[0][i] == own[0][j])
        assert bool(seen[2][i] == seen[2][j]) == (own[0][i] == own[0][j] and own[1][i] == own[1][j])
    parts = [model.encode(images.pixels) for model in models]
    assert np.allclose(joined.encode(images.pixels), np.concatenate(parts, 1), atol=1e-6)


def test_no_view_touches_the_mark():
    train, _ = mcl.marked(0)
    assert train.pixels.shape[1:] == (2, 8, 8)
    assert len(train.pixels[:, 1].unique(dim=0)) == mcl.MARKS
    changed = mcl.keeping_marks(stage("MCL").view)(train.pixels)
    assert torch.equal(changed[:, 1], train.pixels[:, 1])
    assert not torch.equal(changed[:, 0], train.pixels[:, 0])
