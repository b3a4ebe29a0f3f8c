"""NCL: the projection is not negative, and the spectral form is symmetric non-negative matrix factorisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.heads import NonNegative
from counterpoint.systems import get
from counterpoint.systems.core import ncl
from counterpoint.testbeds import DIGITS, Made
from counterpoint.testbeds.figures import probe_accuracy
from systems.through import same, step_of


def test_spectral_loss_is_non_negative_matrix_factorisation():
    # theorem 1: |A - F F'|^2 = spectral loss + constant, A the normalised co-occurrence of views, F = sqrt(d_x) f(x)
    g = torch.Generator().manual_seed(0)
    joint = torch.rand(5, 5, generator=g, dtype=torch.float64)
    joint = (joint + joint.T) / (joint + joint.T).sum()
    marginal = joint.sum(0)
    normalised = joint / (marginal[:, None] * marginal[None]).sqrt()
    for seed in range(3):
        f = NonNegative()(torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
        assert float(f.min()) >= 0
        factor = marginal.sqrt()[:, None] * f
        s = f @ f.T
        spectral = -2 * (joint * s).sum() + (marginal[:, None] * marginal[None] * s.square()).sum()
        whole = (normalised - factor @ factor.T).square().sum()
        assert float(whole - spectral) == pytest.approx(float(normalised.square().sum()), rel=1e-12)


def nt_xent(z, temperature):
    n, total = len(z) // 2, 0.0
    for i in range(2 * n):
        s = torch.stack([F.cosine_similarity(z[i], z[k], dim=0) / temperature for k in range(2 * n) if k != i])
        mate = (i + n) % (2 * n)
        total = total - F.cosine_similarity(z[i], z[mate], dim=0) / temperature + torch.logsumexp(s, 0)
    return total / (2 * n)


def test_loss_is_nt_xent_of_features_that_are_not_negative():
    step = step_of("ncl")
    encoder, (wide, last) = step.network[0], step.network[1]
    (call,) = step.calls
    assert all(float(call[side].z.detach().min()) >= 0 for side in ("queries", "keys"))
    assert 0.2 < float((call["queries"].z == 0).float().mean()) < 0.8
    # the gradient of the ReLU by hand: forward max(z, 0), backward that of z Phi(z)
    x = wide(encoder(step.payload.inputs))
    phi = 0.5 * (1 + torch.erf(x.detach() / 2**0.5))
    slope = phi + x.detach() * torch.exp(-(x.detach() ** 2) / 2) / (2 * torch.pi) ** 0.5
    z = slope * x + (x.clamp_min(0) - slope * x).detach()
    same(step, nt_xent(z, 0.2))
    assert isinstance(last, NonNegative)


def test_head_is_that_of_the_authors_and_the_baseline_has_the_same():
    ours, theirs = step_of("ncl"), step_of(ncl.signed(), DIGITS.parts(0)[0])
    assert ours.layers() == ["Linear", "ReLU", "Linear", "NonNegative"]
    assert theirs.layers() == ["Linear", "ReLU", "Linear"]
    assert ours.network[1][0][0].out_features == theirs.network[1][0].out_features == 4 * 16
    assert ours.network[1][0][2].out_features == theirs.network[1][2].out_features == 2 * 16
    assert (theirs.calls[0]["queries"].z < 0).any()
    same(theirs, nt_xent(torch.cat(theirs.z()), 0.2))


def test_views_are_two_random_ones_of_each_picture():
    step = step_of("ncl")
    first, second = step.views()
    pixels = DIGITS.parts(0)[0].anchors.tensor[:8]
    assert not torch.isclose(first, pixels).all(dim=(1, 2, 3)).any()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_with_labels_all_of_a_class_are_positives():
    step = step_of(ncl.labelled(), DIGITS.parts(0)[0])
    z, label = torch.cat(step.z()), step.calls[0]["queries"].columns["label"].repeat(2)
    terms = []
    for i in range(16):
        s = [F.cosine_similarity(z[i], z[k], dim=0) / 0.2 for k in range(16)]
        whole = torch.logsumexp(torch.stack([s[k] for k in range(16) if k != i]), 0)
        mates = [k for k in range(16) if k != i and label[k] == label[i]]
        terms.append(sum(whole - s[k] for k in mates) / len(mates))
    same(step, sum(terms) / 16)


def made_of(rows, label, head=None):
    data = DIGITS.parts(0)[0][torch.arange(len(rows))]
    data.columns["label"].copy_(torch.tensor(label))

    class Fixed:
        def encode_items(self, items, *, kind=None):
            return np.array(rows, dtype=np.float32)

    return Made("fixed", Fixed(), (data, data), 0, head or nn.Identity())


def test_figures_have_known_values():
    # features 0 and 1 are on for one class each, 2 for all, 3 for two of one and one of the other, 4 never
    rows = [[1, 0, 1, 1, 0], [1, 0, -1, 1, 0], [0, 2, 1, -1, 0], [0, 1, 1, 0, 0]]
    made = made_of(rows, [0, 0, 1, 1])
    consistent, above = (get("ncl").claims[0].figure, get("ncl").claims[0].off.figure)
    assert consistent.of(made) == pytest.approx((1 + 1 + 1 / 2 + 2 / 3) / 4)
    # above zero: feature 2 on for one of class 0 and two of class 1, feature 3 for class 0 only
    assert above.of(made) == pytest.approx((1 + 1 + 2 / 3 + 1) / 4)
    assert ncl.ACTIVE.of(made) == pytest.approx(11 / 20)


def test_most_active_are_the_strongest_of_the_training_part():
    rows = np.zeros((6, 12), np.float32)
    rows[:, 3], rows[:3, 7], rows[:, 9] = -5, 4, 0.1
    made = made_of(rows, [0, 0, 0, 1, 1, 1])
    chosen = ncl.most_active(made, made.test)
    assert chosen.shape == (6, 3)
    assert chosen[0].tolist() == pytest.approx([-5, 4, 0.1])
    assert probe_accuracy(of=ncl.most_active).of(made) == 1.0
