"""Latent classes: the bounds of lemma 4.3 and proposition 6.2 by enumeration of everything, and what is drawn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data.items import Data, Items
from counterpoint.evaluate import collision, mean_classifier_loss
from counterpoint.testbeds import latent
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.latent import bound, drawers, mean_loss, on_two, unsupervised_loss


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


class AsTheyAre:
    """Vectors encode themselves."""

    def encode_items(self, items, *, kind=None):
        del kind
        return items.tensor.numpy()


def test_draws_agree_with_enumeration():
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    z = torch.randn(6, 2, generator=torch.Generator().manual_seed(3))
    data = Data.alone(Items("vector", z), label=labels)
    made = Made("given", AsTheyAre(), (data, data), 0)
    tau = 14 / 36
    for size in (1, 2):
        wanted = enumerated(z.numpy(), labels.tolist(), size)
        assert unsupervised_loss(z, labels, size, 0) == pytest.approx(wanted, abs=0.03)
        assert bound(size).of(made) == pytest.approx((wanted - tau) / (1 - tau), abs=0.06)
    assert mean_loss.of(made) == pytest.approx(mean_classifier_loss(z.numpy(), labels.tolist()))


def test_the_mean_classifier_is_asked_of_the_test_part():
    train = Data.alone(Items("vector", torch.eye(2)), label=torch.tensor([0, 1]))
    test = Data.alone(Items("vector", torch.eye(2)[[0, 0, 1]]), label=torch.tensor([0, 1, 1]))
    assert on_two.of(Made("given", AsTheyAre(), (train, test), 0)) == pytest.approx((1 + 0.5) / 2)


def test_six_drawers_are_held_out_of_all_characters(monkeypatch):
    part = Data.alone(Items("image", torch.arange(60).view(60, 1, 1, 1).byte()), label=torch.arange(60) % 3,
                      drawer=torch.arange(60) // 3)  # fmt: skip
    monkeypatch.setattr(latent, "omniglot", lambda seed: (part[torch.arange(30)], part[torch.arange(30, 60)]))
    monkeypatch.setattr(latent.Items, "cat", staticmethod(lambda parts: parts[0]))
    train, test = drawers(1)
    assert len(train) == 42
    assert len(test) == 18
    for there in (train, test):
        assert there.columns["label"].bincount().tolist() == [len(there) // 3] * 3
        assert torch.equal(there.anchors.tensor[there.anchor][:, 0, 0, 0] // 3, there.columns["drawer"])
