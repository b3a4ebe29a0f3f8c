"""Debiased contrastive learning: the estimate of the true negatives' mean, its floor, and the class prior."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.objectives import Debiased, InfoNCE
from systems.views_of_digits import seen_by


def loop(z, prior, hardness, t=0.5):
    n, total = len(z) // 2, 0.0
    for i in range(2 * n):
        positive = (i + n) % (2 * n)
        s = [float(z[i] @ z[k]) / t for k in range(2 * n)]
        negatives = [s[k] for k in range(2 * n) if k not in (i, positive)]
        weights = [math.exp(hardness * x) for x in negatives]
        mean = sum(w * math.exp(x) for w, x in zip(weights, negatives, strict=True)) / sum(weights)
        g = max((mean - prior * math.exp(s[positive])) / (1 - prior), math.exp(-1 / t))
        total -= math.log(math.exp(s[positive]) / (math.exp(s[positive]) + len(negatives) * g))
    return total / (2 * n)


@pytest.mark.parametrize(("name", "hardness"), [("debiased-cl", 0.0), ("hard-negative-samples", 1.0)])
def test_loss_is_that_of_a_naive_loop_over_views(name, hardness):
    config, arguments, z = seen_by(name)
    assert config.objective()(**arguments).item() == pytest.approx(loop(z, 0.1, hardness), rel=1e-4)


def test_with_the_true_prior_the_bias_of_same_class_negatives_goes():
    # keys of one class are one point: the mean over all keys is prior * own + (1 - prior) * others, without noise
    classes, each = 5, 40
    z = torch.randn(classes, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    keys = z.repeat_interleave(each, 0)
    scores = torch.nn.functional.cosine_similarity(z[:1], z) / 0.5
    wanted = math.log(1 + each * classes * float(scores[1:].exp().mean()) / math.exp(float(scores[0])))
    q, positive = z[:1], torch.cat([z[:1], keys])
    from counterpoint.points import Points

    queries = Points(q, sample=torch.tensor([0]))
    points = Points(positive, sample=torch.tensor([0] + [-1] * len(keys)))
    found = {
        prior: Debiased(0.5, prior=prior, layout="one-way")(queries, points).item() for prior in (0.0, 1 / classes)
    }
    assert found[1 / classes] == pytest.approx(wanted, rel=1e-9)
    assert abs(found[0.0] - wanted) > 0.05
    assert found[0.0] == pytest.approx(InfoNCE(0.5)(queries, points).item(), rel=1e-9)
