"""Synthetic vectors: features of known strength, views that disturb them, and figures with known answers."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.figures import projection
from counterpoint.testbeds.synthetic import (
    BIASED,
    BIASED_FEATURES,
    DIMENSIONS,
    EQUAL,
    EQUAL_FEATURES,
    MOST,
    NOISE,
    Linear,
    features,
    noisy,
    told,
    unevenness,
)


def test_a_feature_s_sign_times_its_strength_is_its_dimension():
    data = features(50, (1.0, 3.0), ("a", "b"), 1)
    x = data.anchors.tensor
    assert (x[:, 0] == 2 * data.columns["a"] - 1).all()
    assert (x[:, 1] == 3 * (2 * data.columns["b"] - 1)).all()
    assert x.shape == (50, DIMENSIONS)
    assert not x[:, 2:].any()
    assert torch.equal(x, features(50, (1.0, 3.0), ("a", "b"), 1).anchors.tensor)


def test_parts_are_of_other_rows():
    for bed, names in ((BIASED_FEATURES, BIASED), (EQUAL_FEATURES, EQUAL)):
        train, test = bed.parts(3)
        assert len(train) == len(test) == 2000
        assert tuple(train.columns) == names
        assert not torch.equal(train.columns[names[0]], test.columns[names[0]])
    strengths = BIASED_FEATURES.parts(0)[0].anchors.tensor.abs().amax(0)
    assert strengths[: len(BIASED)].tolist() == [1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]


def test_views_add_noise_and_flip_signs_as_often_as_said():
    torch.manual_seed(0)
    x = torch.zeros(20_000, DIMENSIONS)
    x[:, :3] = 4.0
    seen = noisy((0.25, 0.5), first=1)(x)
    assert (seen[:, :3] < 0).float().mean(0) == pytest.approx(torch.tensor([0.0, 0.25, 0.5]), abs=0.01)
    assert (seen[:, 3:]).std() == pytest.approx(NOISE, rel=0.01)


def made(encoder, data, head=None):
    return Made("given", encoder, (data, data), 0, **({} if head is None else {"head": head}))


def first_two():
    """An encoder of the first dimension, five times, and of the second."""
    encoder = Linear(DIMENSIONS, 2)
    encoder.weight.data.zero_()
    encoder.weight.data[0, 0], encoder.weight.data[1, 1] = 5.0, 1.0
    return encoder


def test_a_probe_tells_what_noise_leaves_of_a_feature_and_nothing_that_is_not_encoded():
    data = features(4000, (1.0, 1.0, 1.0), ("a", "b", "c"), 0)
    there = made(first_two(), data)
    assert told("a", 2000).of(there) == pytest.approx(MOST, abs=0.01)
    assert told("c", 2000).of(there) == pytest.approx(0.5, abs=0.03)
    assert abs(MOST - 0.97725) < 1e-5
    torch.nn.init.zeros_((head := torch.nn.Linear(2, 2)).weight)
    assert told("a", 2000, projection).of(made(first_two(), data, head)) == pytest.approx(0.5, abs=0.03)


def test_unevenness_is_the_ratio_of_the_lengths_of_the_images():
    data = Data(Items("vector", torch.zeros(2, DIMENSIONS)), torch.arange(2), columns={n: torch.zeros(2) for n in "ab"})
    there = made(first_two(), data, torch.nn.Linear(2, 2, bias=False))
    assert unevenness().of(there) == pytest.approx(5.0)
    there.head.weight.data = torch.diag(torch.tensor([2.0, 1.0]))
    assert unevenness(projection).of(there) == pytest.approx(10.0)
