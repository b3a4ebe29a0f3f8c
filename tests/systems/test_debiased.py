"""Debiased contrastive learning: the estimate of the true negatives' mean, its floor, and the class prior."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import Debiased, InfoNCE
from counterpoint.points import Points
from counterpoint.systems.core.debiased import unbiased
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def loop(views, prior, hardness, t=0.5):
    """Equation 7 of each view, its other views the M positives; all other pictures' views the negatives."""
    z, total = [F.normalize(view, dim=1) for view in views], torch.zeros(())
    n, places = len(z[0]), [(v, i) for v in range(len(z)) for i in range(len(z[0]))]
    for v, i in places:
        s = {(w, k): z[v][i] @ z[w][k] / t for w, k in places if (w, k) != (v, i)}
        positives = torch.stack([s[w, i] for w in range(len(z)) if w != v])
        negatives = torch.stack([x for (_, k), x in s.items() if k != i])
        weights = (hardness * negatives).exp()
        mean = (weights * negatives.exp()).sum() / weights.sum()
        g = ((mean - prior * positives.exp().mean()) / (1 - prior)).clamp_min(math.exp(-1 / t))
        total = total - (positives.exp() / (positives.exp() + len(negatives) * g)).log().mean()
    return total / (len(z) * n)


@pytest.mark.parametrize(
    ("name", "hardness", "views"),
    [("debiased-cl", 0.0, 2), ("hard-negative-samples", 1.0, 2), ("debiased-cl-2-positives", 0.0, 3)],
)
def test_loss_is_that_of_a_naive_loop_over_views(name, hardness, views):
    step = step_of(name)
    z = step.z()
    assert len(z) == views
    same(step, loop(z, 0.1, hardness))
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    first, second, *_ = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_the_oracle_leaves_out_negatives_of_the_same_class_and_keeps_positives():
    step = step_of(unbiased(), DIGITS.parts(0)[0], n=32)
    labels, (first, second) = step.calls[0]["queries"].columns["label"], step.z()
    z, total, n = F.normalize(torch.cat([first, second]), dim=1), torch.zeros(()), len(first)
    assert len(labels.unique()) < n
    for i in range(2 * n):
        own = (i + n) % (2 * n)
        seen = [k for k in range(2 * n) if k == own or labels[k % n] != labels[i % n]]
        s = z[seen] @ z[i] / 0.5
        total = total + s.logsumexp(0) - s[seen.index(own)]
    same(step, total / (2 * n))


def test_with_the_true_prior_the_bias_of_same_class_negatives_goes():
    # keys of one class are one point: the mean over all keys is prior * own + (1 - prior) * others, without noise
    classes, each = 5, 40
    z = torch.randn(classes, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    keys = z.repeat_interleave(each, 0)
    scores = torch.nn.functional.cosine_similarity(z[:1], z) / 0.5
    wanted = math.log(1 + each * classes * float(scores[1:].exp().mean()) / math.exp(float(scores[0])))
    q, positive = z[:1], torch.cat([z[:1], keys])
    queries = Points(q, sample=torch.tensor([0]))
    points = Points(positive, sample=torch.tensor([0] + [-1] * len(keys)))
    found = {
        prior: Debiased(0.5, prior=prior, layout="one-way")(queries, points).item() for prior in (0.0, 1 / classes)
    }
    assert found[1 / classes] == pytest.approx(wanted, rel=1e-9)
    assert abs(found[0.0] - wanted) > 0.05
    assert found[0.0] == pytest.approx(InfoNCE(0.5)(queries, points).item(), rel=1e-9)
