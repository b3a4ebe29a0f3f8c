"""The mean classifier against loops and scikit-learn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from counterpoint.errors import InputError
from counterpoint.evaluate import collision, mean_classifier, mean_classifier_loss, mean_classifier_on_two


def test_on_classes_of_one_length_it_is_the_nearest_centroid():
    g = np.random.default_rng(0)
    labels = np.array(list("abcab" * 8))
    train, test = g.normal(size=(40, 3)), g.normal(size=(30, 3))
    # the inner product and the distance agree where all means are as long
    for name in "abc":
        rows = labels == name
        train[rows] += train[rows].mean(0) / np.linalg.norm(train[rows].mean(0)) - train[rows].mean(0)
    wanted = NearestCentroid().fit(train, labels).predict(test)
    assert (mean_classifier(train, labels.tolist(), test) == wanted).all()


def test_loss_is_that_of_a_loop_over_pairs_of_classes():
    g = np.random.default_rng(1)
    labels, z = list("aabbbc"), g.normal(size=(6, 2))
    means = {c: np.mean([v for v, label in zip(z, labels, strict=True) if label == c], 0) for c in "abc"}
    total = weight = 0.0
    for c in "abc":
        for other in "abc":
            if c == other:
                continue
            mine = [math.log2(1 + math.exp(-v @ (means[c] - means[other]))) for v in z[np.array(labels) == c]]
            share = labels.count(c) * labels.count(other)
            total, weight = total + share * sum(mine) / len(mine), weight + share
    assert mean_classifier_loss(z, labels) == pytest.approx(total / weight)


def test_refused():
    with pytest.raises(InputError, match="2 labels do not fit"):
        mean_classifier(np.zeros((3, 2)), ["a", "b"], np.zeros((1, 2)))
    with pytest.raises(InputError, match="all the same"):
        mean_classifier_loss(np.zeros((2, 2)), ["a", "a"])
    assert collision(["a", "b", "c", "d"]) == pytest.approx(0.25)


def test_on_two_classes_is_a_naive_loop_over_pairs():
    rng = np.random.default_rng(0)
    known, names = rng.normal(size=(9, 3)), list("aaabbbccc")
    test, truth = rng.normal(size=(7, 3)), list("abcaacb")
    right = []
    for one, other in itertools.permutations("abc", 2):
        means = [known[[n == c for n in names]].mean(0) for c in (one, other)]
        mine = test[[t == one for t in truth]]
        right.append(np.mean([z @ means[0] > z @ means[1] for z in mine]))
    assert mean_classifier_on_two(known, names, test, truth) == pytest.approx(np.mean(right))


@pytest.mark.parametrize("truth", [["d"], ["a", "a"], []])
def test_on_two_classes_refuses(truth):
    with pytest.raises(InputError, match="known"):
        mean_classifier_on_two(np.eye(2), ["a", "b"], np.zeros((1, 2)), truth)
