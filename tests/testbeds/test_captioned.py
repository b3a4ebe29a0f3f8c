"""Captions by picture: those of the test are of other pictures, and pairs are of one."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import torch

from counterpoint.testbeds import captioned
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (REAL / "multi30k").exists(), reason="no data at hand")


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))


def test_pictures_of_the_test_are_not_trained_on():
    train, test = captioned.captioned(0)
    assert (len(train), len(test), train.schema) == (8570, 2500, "items")
    trained, tested = (part.columns["picture"] for part in (train, test))
    assert set(Counter(tested.tolist()).values()) == {5}
    assert len(tested.unique()) == 500
    assert not set(trained.tolist()) & set(tested.tolist())
    assert int((trained < 0).sum()) == 6000
    again, other = captioned.captioned(0)[1], captioned.captioned(1)[1]
    assert again.anchors.texts == test.anchors.texts
    assert not torch.equal(other.columns["picture"].unique(), tested.unique())


def test_a_number_is_the_same_picture_in_every_part():
    captions = {}
    for seed in (0, 1):
        for part in captioned.captioned(seed):
            for text, number in zip(part.anchors.texts, part.columns["picture"].tolist(), strict=True):
                if number >= 0:
                    captions.setdefault(number, set()).add(text)
    assert len(captions) == 1014
    assert max(map(len, captions.values())) <= 5


def test_pairs_are_any_two_captions_of_a_picture_to_train_on():
    train, test = captioned.captioned(3)
    pairs, same = captioned.paired_captions(3)
    assert same.anchors.texts == test.anchors.texts
    assert (pairs.schema, len(pairs)) == ("pairs", 514 * 20)
    first, second = pairs.anchor, pairs.positives[:, 0]
    picture = train.columns["picture"]
    assert torch.equal(picture[first], picture[second])
    assert (picture[first] >= 0).all()
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(pairs)
    assert (first != second).all()
