"""Pairs for several tasks, and what angles tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.several_tasks import few_tasks, pearson_by_angle, pearson_by_cosine


class Turned:
    """A text is a number of degrees."""

    def encode_items(self, items, *, kind=None):
        turns = [math.radians(float(text)) for text in items.texts]
        return np.array([[math.cos(turn), 3 * math.sin(turn)] for turn in turns], np.float32) * [3, 1]


def test_where_scores_are_angles_the_angle_says_all():
    turns = (0, 5, 40, 90, 180)
    test = rows_of([Example("0", (str(turn),), score=1 - turn / 180) for turn in turns])
    made = Made("turned", Turned(), (Data.alone(Items("text", ["0"])), test), 0)
    assert pearson_by_angle.of(made) == pytest.approx(1.0, abs=1e-6)
    cosines = [math.cos(math.radians(turn)) for turn in turns]
    said = np.corrcoef(cosines, [1 - turn / 180 for turn in turns])[0, 1]
    assert pearson_by_cosine.of(made) == pytest.approx(said, abs=1e-6)
    assert said < 0.999


def test_small_data_have_as_many_pairs_of_each_source_and_classes_of_the_last_alone():
    train, test = few_tasks(0)
    source, label = train.columns["source"], train.columns["label"]
    assert source.bincount().tolist() == [150, 150, 150]
    assert torch.equal(label >= 0, source == 2)
    assert label[source == 2].unique().tolist() == [0, 1, 2]
    held = {test.anchors.texts[i] for i in test.anchor.tolist()}
    assert held.isdisjoint(train.anchors.texts[i] for i in train.anchor.tolist())
    near = train[source == 0]
    rows = zip(near.anchor.tolist(), near.positives[:, 0].tolist(), strict=True)
    pairs = [(train.anchors.texts[a], train.others.texts[b]) for a, b in rows]
    # each both ways
    assert {pair[::-1] for pair in pairs} == set(pairs)
