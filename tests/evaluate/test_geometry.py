"""Diagnostics against naive loops, closed forms, and clouds whose state is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluate import (
    alignment,
    collapse,
    effective_rank,
    mean_cosine,
    neural_collapse,
    rankme,
    tolerance,
    uniformity,
    variation,
)


def cloud(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def unit(row):
    return row / np.linalg.norm(row)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 9), d=st.integers(1, 5), t=st.floats(0.5, 4), block=st.integers(1, 10), seed=st.integers(0, 99))
def test_equal_naive_loops(n, d, t, block, seed):
    z, y = cloud(n, d, seed), cloud(n, d, seed + 100)
    rows, others = [unit(r) for r in z.double().numpy()], [unit(r) for r in y.double().numpy()]
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    mean = np.mean([math.exp(-t * np.sum((rows[i] - rows[j]) ** 2)) for i, j in pairs])
    assert uniformity(z, t=t, block=block) == pytest.approx(math.log(mean), abs=1e-9)
    assert mean_cosine(z) == pytest.approx(np.mean([rows[i] @ rows[j] for i, j in pairs]), abs=1e-9)
    for alpha in (1.0, 2.0):
        distances = [np.linalg.norm(a - b) ** alpha for a, b in zip(rows, others, strict=True)]
        assert alignment(z, y, alpha=alpha) == pytest.approx(np.mean(distances), abs=1e-9)
    s = np.linalg.svd(z.double().numpy(), compute_uv=False)
    p = s / s.sum()
    assert effective_rank(z) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-6)
    q = p + 1e-7
    assert rankme(z) == pytest.approx(math.exp(-(q * np.log(q)).sum()), rel=1e-6)


def test_closed_forms():
    # on the circle, uniformity tends to log E exp(-2 t (1 - cos a)) = log(exp(-2t) I_0(2t))
    angle = torch.linspace(0, 2 * math.pi, 4001)[:-1]
    circle = torch.stack((angle.cos(), angle.sin()), dim=1)
    assert uniformity(circle) == pytest.approx(math.log(math.exp(-4) * np.i0(4)), abs=5e-3)
    assert mean_cosine(circle) == pytest.approx(-1 / 3999, abs=1e-6)
    assert effective_rank(circle) == pytest.approx(2)
    assert uniformity(cloud(2000, 512)) == pytest.approx(-4, abs=0.05)


def test_effective_rank_of_known_spectra():
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(
        math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    )
    assert effective_rank(torch.ones(50, 7)) == pytest.approx(1)
    assert effective_rank(torch.ones(50, 7), center=True) == pytest.approx(0, abs=1e-6)
    assert effective_rank(cloud(300, 3) @ cloud(3, 90)) == pytest.approx(3, abs=0.2)  # no rounding counted as rank
    assert effective_rank(cloud(9, 200)) == pytest.approx(effective_rank(cloud(9, 200).T), rel=1e-9)
    assert effective_rank(5 * cloud(40, 8)) == pytest.approx(effective_rank(cloud(40, 8)), rel=1e-9)


def test_healthy_clouds_are_not_called_collapsed():
    assert collapse(cloud(512, 384)) is None
    assert collapse(cloud(64, 384)) is None
    assert collapse(cloud(2000, 2)) is None
    assert collapse(cloud(1, 64, seed=1) + 0.2 * cloud(500, 64)) is None  # a common direction: mean cosine 0.96
    assert collapse(torch.eye(6).repeat(50, 1), classes=6) is None


@pytest.mark.parametrize(
    ("z", "kind"),
    [
        (torch.ones(100, 32), "complete"),
        (torch.zeros(100, 32), "complete"),
        (torch.ones(100, 32) + 0.01 * cloud(100, 32), "complete"),
        (cloud(500, 2) @ cloud(2, 384, 1), "dimensional"),
        (cloud(500, 10) @ cloud(10, 384, 1) + 0.01 * cloud(500, 384, 2), "dimensional"),
        (torch.tensor([[1.0], [-1.0]] * 50) @ cloud(1, 32) + 1e-3 * cloud(100, 32), "dimensional"),
        (torch.full((10, 8), torch.nan), "not finite"),
    ],
)
def test_collapsed_clouds_are_named(z, kind):
    found = collapse(z)
    assert found is not None
    assert found.kind == kind
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["kind"] == kind
    assert kind in str(found)


@pytest.mark.parametrize(
    ("z", "kind"),
    [
        (20 + cloud(500, 8), None),
        (20 + 0.01 * cloud(500, 8), "complete"),
        (torch.zeros(100, 8), "complete"),
        (20 + cloud(500, 1) @ cloud(1, 64), "dimensional"),
        (torch.full((10, 8), torch.nan), "not finite"),
    ],
)
def test_where_distances_count_an_offset_does_not(z, kind):
    found = collapse(z, distances=True)
    assert (found and found.kind) == kind
    if kind is None:
        assert collapse(z).kind == "complete"


def test_few_classes_need_few_directions():
    z = torch.eye(4).repeat(100, 1) @ torch.linalg.qr(cloud(128, 4)).Q.T
    assert collapse(z).kind == "dimensional"
    assert collapse(z, classes=4) is None


def test_no_gradient_and_no_change_to_what_is_given():
    z = cloud(20, 8).requires_grad_()
    before = z.detach().clone()
    for value in (uniformity(z), effective_rank(z, center=True), rankme(z), mean_cosine(z), alignment(z, z)):
        assert isinstance(value, float)
    collapse(z)
    assert torch.equal(z, before)


@pytest.mark.parametrize("function", [uniformity, effective_rank, rankme, mean_cosine, collapse])
@pytest.mark.parametrize("shape", [(1, 4), (4,), (3, 0)])
def test_refuses(function, shape):
    with pytest.raises(InputError, match="have no geometry"):
        function(torch.ones(shape))


def test_alignment_refuses():
    with pytest.raises(InputError, match="no alignment of shapes"):
        alignment(torch.ones(2, 3), torch.ones(3, 3))


@given(seed=st.integers(0, 99), classes=st.integers(1, 4))
def test_tolerance_is_the_mean_over_pairs_of_a_class(seed, classes):
    g = torch.Generator().manual_seed(seed)
    z, labels = torch.randn(9, 3, generator=g), torch.randint(classes, (9,), generator=g)
    cosines = [
        float(torch.nn.functional.cosine_similarity(z[i], z[j], dim=0))
        for i in range(9)
        for j in range(9)
        if i != j and labels[i] == labels[j]
    ]
    assert tolerance(z, labels) == pytest.approx(sum(cosines) / len(cosines), abs=1e-6)


def test_tolerance_needs_a_pair():
    with pytest.raises(InputError, match="no class has two points"):
        tolerance(torch.eye(3), torch.arange(3))
    with pytest.raises(InputError, match="3 rows and 2 labels"):
        tolerance(torch.eye(3), torch.arange(2))


@given(seed=st.integers(0, 99), classes=st.integers(1, 4), subclasses=st.integers(1, 4))
def test_variation_is_the_variance_of_nested_means(seed, classes, subclasses):
    g = torch.Generator().manual_seed(seed)
    z, labels = torch.randn(20, 3, generator=g), torch.randint(classes, (20,), generator=g)
    fine = torch.randint(subclasses, (20,), generator=g)
    found = variation(z, labels, fine)
    between = nested = within = 0.0
    rows = z.double().numpy()
    for c in range(classes):
        inside = [i for i in range(20) if labels[i] == c]
        for s in range(subclasses):
            inner = [i for i in inside if fine[i] == s]
            for i in inner:
                between += ((rows[inside].mean(0) - rows.mean(0)) ** 2).sum()
                nested += ((rows[inner].mean(0) - rows[inside].mean(0)) ** 2).sum()
                within += ((rows[i] - rows[inner].mean(0)) ** 2).sum()
    total = ((rows - rows.mean(0)) ** 2).sum()
    assert (found.between, found.subclasses, found.within) == pytest.approx(
        (between / total, nested / total, within / total), abs=1e-9
    )
    assert sum((found.between, found.subclasses, found.within)) == pytest.approx(1)
    coarse = variation(z, labels)
    assert coarse.within == pytest.approx(found.subclasses + found.within)


def test_collapsed_classes_and_collapsed_subclasses():
    labels, fine = torch.arange(400) % 4, torch.arange(400) // 4 % 5
    middle, shift = cloud(4, 16)[labels], cloud(20, 16, 1)[5 * labels + fine]
    noise = cloud(400, 16, 2)
    points = variation(middle, labels, fine)
    assert (points.between, points.subclasses, points.within) == pytest.approx((1, 0, 0), abs=1e-12)
    kept, lost = (variation(middle + a * shift + 0.1 * noise, labels, fine) for a in (0.5, 0.0))
    assert kept.subclasses > 0.1
    assert lost.subclasses == pytest.approx((20 - 4) / (400 - 4) * (1 - lost.between), rel=0.3)
    assert variation(torch.ones(4, 2), torch.arange(4) % 2).between == 0
    # a class number means nothing: subclasses 0 of two classes are not one
    assert variation(middle, labels, torch.zeros(400).long()).subclasses == 0


def test_neural_collapse_by_hand():
    # classes of variance 4 and 1 along the axes, their means 3 and 2 from the middle: (4/9 + 1/4) / 4 classes
    offsets = torch.tensor([[2.0, 1.0], [-2.0, -1.0], [2.0, -1.0], [-2.0, 1.0]])
    z = torch.cat([offsets + torch.tensor(m) for m in ((3.0, 2.0), (3.0, -2.0), (-3.0, 2.0), (-3.0, -2.0))])
    labels = torch.arange(4).repeat_interleave(4)
    assert neural_collapse(z, labels) == pytest.approx((4 / 9 + 1 / 4) / 4)
    # any linear map changes both covariances alike
    assert neural_collapse(z @ cloud(2, 2), labels) == pytest.approx((4 / 9 + 1 / 4) / 4)
    assert neural_collapse(0.001 * offsets.repeat(4, 1) + z, labels) > neural_collapse(z, labels)
    # in more dimensions than classes only directions between them count
    wide = torch.cat([z, cloud(16, 40)], 1)
    classless = wide[:, 2:] - torch.stack([wide[labels == c, 2:].mean(0) for c in range(4)])[labels]
    assert neural_collapse(torch.cat([z, classless], 1), labels) == pytest.approx((4 / 9 + 1 / 4) / 4, rel=1e-5)


@settings(max_examples=30)
@given(st.integers(0, 99))
def test_neural_collapse_is_numpy_s(seed):
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(30) % 3  # of equal size, as in the paper
    z = (torch.randn(30, 5, generator=g) + 2 * torch.randn(3, 5, generator=g)[labels]).double()
    h = z.numpy()
    means = np.stack([h[labels == c].mean(0) for c in range(3)])
    within = np.mean([np.outer(h[i] - means[labels[i]], h[i] - means[labels[i]]) for i in range(30)], 0)
    between = np.mean([np.outer(m - h.mean(0), m - h.mean(0)) for m in means], 0)
    assert neural_collapse(z, labels) == pytest.approx(np.trace(within @ np.linalg.pinv(between, 1e-10)) / 3, rel=1e-6)


def test_classes_are_checked():
    for function in (variation, neural_collapse):
        with pytest.raises(InputError, match="3 rows and 2 labels"):
            function(torch.eye(3), torch.arange(2))
        with pytest.raises(InputError, match="have no geometry"):
            function(torch.ones(1, 3), torch.arange(1))
    with pytest.raises(InputError, match="3 rows and 2 labels"):
        variation(torch.eye(3), torch.arange(3), torch.arange(2))
    with pytest.raises(InputError, match="labels are all the same"):
        neural_collapse(torch.eye(3), torch.zeros(3))
