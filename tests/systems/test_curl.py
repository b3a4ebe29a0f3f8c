"""CURL: the loss on blocks, and the bounds of lemma 4.3 and proposition 6.2 by enumeration of everything."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.evaluate import collision, mean_classifier_loss
from counterpoint.systems.core import curl
from counterpoint.systems.core._digits import as_rows
from counterpoint.systems.core.curl import blocks, contrasted, draw, unsupervised_loss
from counterpoint.training.rows import RowBatches
from systems.stages import stage


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", ["curl", "curl-hinge"])
def test_loss_is_that_of_a_naive_loop_over_blocks(name, size):
    torch.manual_seed(0)
    n, config, model = 6, stage(name), ImageEncoder(widths=(8, 16))
    data = blocks(size)(as_rows(digits()), model, 0)
    payload = RowBatches(data, model).payload(torch.arange(n))
    z = model(payload.inputs).detach() * 3
    total = 0.0
    for i in range(n):
        v = 0.0
        for j in range(size):
            positive, negative = z[n + i * size + j], z[n + n * size + i * size + j]
            v += float(z[i] @ (positive - negative)) / size
        total += math.log(1 + math.exp(-v)) if name == "curl" else max(0.0, 1 - v)
    (call,) = config.procedure(16)([payload.arguments(z)], lambda model: {})
    assert config.objective()(**call).item() == pytest.approx(total / n, rel=1e-4)


def test_every_step_has_as_many_images_whatever_the_block():
    data, labels = blocks(5)(as_rows(digits()), None, 0), digits().labels
    assert len(data) == curl._STEPS * stage("curl").train.batch_size
    assert (labels[data.positives] == labels[data.anchor][:, None]).all()
    assert data.positives.shape == data.negatives.shape == (len(data), 5)


def test_blocks_are_of_the_anchor_s_class_and_of_one_drawn_as_often_as_it_occurs():
    torch.manual_seed(0)
    labels = torch.tensor([1, 0, 1, 1, 2, 1])
    anchors = torch.arange(6).repeat(2000)
    positive, negative = draw(labels, anchors, 3)
    assert (labels[positive] == labels[anchors][:, None]).all()
    of = labels[negative]
    assert (of == of[:, :1]).all()
    assert torch.bincount(of[:, 0]) / len(anchors) == pytest.approx(torch.tensor([1, 4, 1]) / 6, abs=0.02)
    # a class's points are drawn alike
    ones = negative[of == 1]
    assert torch.bincount(ones, minlength=6)[labels == 1] / len(ones) == pytest.approx(torch.ones(4) / 4, abs=0.02)


def enumerated(z, labels, size):
    """L_un over every anchor, block and negative block, each with its probability."""
    classes = {c: [i for i, label in enumerate(labels) if label == c] for c in set(labels)}
    total = 0.0
    for c, other in itertools.product(classes, repeat=2):
        share = len(classes[c]) * len(classes[other]) / len(labels) ** 2
        found = []
        for x in classes[c]:
            for near in itertools.product(classes[c], repeat=size):
                for far in itertools.product(classes[other], repeat=size):
                    v = z[x] @ (z[list(near)].mean(0) - z[list(far)].mean(0))
                    found.append(math.log2(1 + math.exp(-v)))
        total += share * sum(found) / len(found)
    return total


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 3))
def test_bounds_hold_for_every_embedding(seed, scale):
    labels = ["a", "a", "b", "b", "b", "c"]
    z = scale * np.random.default_rng(seed).normal(size=(6, 2))
    tau = collision(labels)
    assert tau == pytest.approx((4 + 9 + 1) / 36)
    plain, blocks = ((enumerated(z, labels, size) - tau) / (1 - tau) for size in (1, 2))
    assert mean_classifier_loss(z, labels) <= blocks + 1e-12
    assert blocks <= plain + 1e-12


def test_bound_is_an_equality_where_a_class_is_a_point():
    labels = ["a", "a", "b", "b", "b", "c"]
    z = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1], [-1, 1]])
    tau = collision(labels)
    assert mean_classifier_loss(z, labels) == pytest.approx((enumerated(z, labels, 1) - tau) / (1 - tau))


def test_draws_agree_with_enumeration():
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    z = torch.randn(6, 2, generator=torch.Generator().manual_seed(3))
    for size in (1, 2):
        wanted = enumerated(z.numpy(), labels.tolist(), size)
        assert unsupervised_loss(z, labels, size, 0) == pytest.approx(wanted, abs=0.03)


def test_the_means_of_blocks_are_what_is_contrasted():
    z = torch.randn(2, 3)
    seen = contrasted(z, torch.ones(2, 4, 3), torch.zeros(2, 4, 3))
    assert seen["owned"].z.tolist() == [[[1.0] * 3, [0.0] * 3]] * 2
