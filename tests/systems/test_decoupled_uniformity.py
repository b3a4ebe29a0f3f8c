"""Decoupled Uniformity: centroids of the views, and a kernel that smooths them."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import DecoupledUniformity
from counterpoint.points import Points
from counterpoint.systems.core import decoupled_uniformity as module
from counterpoint.testbeds.weak import DIGITS_ATTRIBUTES
from systems.through import same, step_of


def loop(centroids, t=2.0):
    n = len(centroids)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    return math.log(
        sum(math.exp(-t * float((centroids[i] - centroids[j]).square().sum())) for i, j in pairs) / len(pairs)
    )


def centroids_of(step, known=None, width=0.0, ridge=0.01):
    """Of the two views of each sample, smoothed by what is known."""
    first, second = (F.normalize(v, dim=1) for v in step.z())
    centroids = (first + second) / 2
    if known is None:
        return centroids
    k = torch.exp(-(torch.cdist(known.double(), known.double()) ** 2) / (2 * width**2))
    return (torch.linalg.inv(k + ridge * torch.eye(len(k))) @ k @ centroids.double()).float()


def naive(centroids, t=2.0):
    n = len(centroids)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    terms = [torch.exp(-t * (centroids[i] - centroids[j]).square().sum()) for i, j in pairs]
    return torch.stack(terms).mean().log()


def test_loss_is_that_of_a_naive_loop_over_centroids():
    step = step_of("decoupled-uniformity")
    same(step, naive(centroids_of(step)))


def test_attributes_smooth_the_centroids():
    step = step_of("decoupled-uniformity-with-attributes")
    columns = step.calls[0]["queries"].columns
    known = DIGITS_ATTRIBUTES.parts(0)[0].columns["attributes"][columns["sample"]]
    assert torch.equal(known, columns["attributes"])
    same(step, naive(centroids_of(step, known, 2.2)), 1e-3)


def test_codes_of_the_pixels_smooth_the_centroids():
    step = step_of("decoupled-uniformity-with-generator")
    known = step.calls[0]["queries"].columns["code"]
    pixels = DIGITS_ATTRIBUTES.parts(0)[0][torch.arange(8)].anchors.tensor[:8].flatten(1).float()
    pixels = pixels[step.calls[0]["queries"].columns["sample"]]
    # eight pictures lie in seven dimensions, so that components keep every distance
    apart, wanted = torch.cdist(known, known), torch.cdist(pixels, pixels)
    torch.testing.assert_close(apart / apart.max(), wanted / wanted.max(), rtol=1e-3, atol=1e-3)
    assert float(apart.square().sum() / 56) == pytest.approx(1, rel=1e-4)
    same(step, naive(centroids_of(step, known, 1.0)), 1e-3)


@pytest.mark.parametrize("variant", ["", "-with-attributes", "-with-generator"])
def test_the_head_has_three_layers_and_no_normalisation_and_both_views_are_random(variant):
    step = step_of(f"decoupled-uniformity{variant}")
    assert step.layers() == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_what_is_compared_with_it_differs_in_what_is_known_alone():
    data = DIGITS_ATTRIBUTES.parts(0)[0]
    names = ("with_prior", "shuffled_prior")
    mine, theirs = (step_of(getattr(module, n)(), data).calls[0]["queries"].columns for n in names)
    assert not torch.equal(mine["attributes"], theirs["attributes"])
    mine, theirs = (
        step_of(getattr(module, n)(), data).calls[0]["queries"].columns["code"]
        for n in ("with_generator", "shuffled_codes")
    )
    assert not torch.equal(mine, theirs)
    torch.testing.assert_close(mine.norm(dim=1).sort().values, theirs.norm(dim=1).sort().values, rtol=1e-3, atol=1e-3)


def test_views_that_agree_are_better_though_nothing_says_so():
    x = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    assert DecoupledUniformity()(x, x) < DecoupledUniformity()(x, x.flip(0))


@pytest.mark.parametrize("ridge", [0.1, 1.0])
def test_a_prior_smooths_the_centroids_as_a_conditional_mean_embedding(ridge):
    g = torch.Generator().manual_seed(0)
    x, y = (F.normalize(torch.randn(5, 4, generator=g, dtype=torch.float64), dim=1) for _ in range(2))
    about = torch.tensor([0.0, 0.0, 1.0, 2.0, 2.0], dtype=torch.float64)
    sides = [Points(v, sample=torch.arange(5), age=about) for v in (x, y)]
    k = torch.exp(-((about[:, None] - about[None]) ** 2) / (2 * 0.5**2))
    centroids = torch.linalg.inv(k + ridge * torch.eye(5)) @ k @ ((x + y) / 2)
    found = DecoupledUniformity(prior="age", width=0.5, ridge=ridge)(*sides).item()
    assert found == pytest.approx(loop(centroids), rel=1e-9)
