"""Sets of example texts: what they are of, and how a collection is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.example_sets import QUESTION_SETS, like_a_set, unlike_a_set
from testbeds.test_sorted_texts import trec  # noqa: F401 - a fixture

Z = {"a": (1.0, 0.0), "b": (0.0, 1.0), "ab": (0.8, 0.6), "ba": (0.6, 0.8)}


class Letters:
    """Vectors that are known."""

    def encode_items(self, items, kind=None):
        return np.array([Z[text] for text in items.texts], dtype=np.float32)


def made(texts, classes) -> Made:
    train = Data.alone(Items("text", ["a", "b"]), label=torch.tensor([0, 1]))
    return Made("", Letters(), (train, Data.alone(Items("text", texts), label=torch.tensor(classes))), 0)


def test_a_collection_is_cut_at_as_many_as_there_are():
    # nearest to a are a and ab, to b b and ba
    assert like_a_set.of(made(["a", "ab", "b", "ba"], [0, 0, 1, 1])) == 1.0
    assert like_a_set.of(made(["a", "ba", "b", "ab"], [0, 0, 1, 1])) == 0.5
    # three of class 1: of the three nearest to b two are, and the nearest to a is of class 0
    assert like_a_set.of(made(["a", "ab", "b", "ba"], [0, 1, 1, 1])) == 1.0
    assert like_a_set.of(made(["ba", "ab", "b", "a"], [0, 1, 1, 1])) == pytest.approx((0 + 2 / 3) / 2)


def test_what_is_unlike_is_of_other_classes():
    # farthest from a: b, ba, ab; from b: a
    assert unlike_a_set.of(made(["a", "ab", "b", "ba"], [0, 1, 1, 1])) == 1.0
    assert unlike_a_set.of(made(["b", "ab", "a", "ba"], [0, 1, 1, 1])) == pytest.approx((2 / 3 + 0) / 2)


def test_sets_are_small_and_of_every_class_and_not_of_the_test(trec):  # noqa: F811
    train, test = QUESTION_SETS.parts(0)
    assert torch.bincount(train.columns["label"]).tolist() == [20] * 2
    assert not set(train.anchors[train.anchor].texts) & set(test.anchors.texts)
    again, other = QUESTION_SETS.parts(0)[0], QUESTION_SETS.parts(1)[0]
    assert torch.equal(train.anchor, again.anchor)
    assert not torch.equal(train.anchor, other.anchor)
