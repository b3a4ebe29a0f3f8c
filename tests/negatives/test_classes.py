"""Pairs of one class, and of two."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.negatives.classes import class_pairs


def labelled(labels):
    return Data.alone(Items("text", [f"text {i}" for i in range(len(labels))]), label=torch.tensor(labels))


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=12).filter(lambda x: len(set(x)) > 1),
    each=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_pairs_are_what_they_are_said_to_be(labels, each, seed):
    data = labelled(labels)
    found = class_pairs(each)(data, nn.Identity(), seed)
    partner, score, label = found.positives[:, 0], found.columns["score"], data.columns["label"]
    assert torch.equal((label[found.anchor] == label[partner]).float(), score)
    assert bool((found.anchor != partner).all())
    alone = [i for i, c in enumerate(labels) if labels.count(c) == 1]
    for kind, rows in ((1.0, set(range(len(labels))) - set(alone)), (0.0, set(range(len(labels))))):
        counts = found.anchor[score == kind].bincount(minlength=len(labels))
        assert counts.tolist() == [each * (i in rows) for i in range(len(labels))]


def test_every_partner_is_drawn_alike():
    found = class_pairs(3000)(labelled([0, 1, 0, 1, 0, 1, 1]), nn.Identity(), 0)
    first = found.anchor == 2
    for score, partners in ((1.0, [0, 4]), (0.0, [1, 3, 5, 6])):
        counts = found.positives[first & (found.columns["score"] == score), 0].bincount(minlength=7)
        assert set(counts.nonzero()[:, 0].tolist()) == set(partners)
        torch.testing.assert_close(
            counts[partners] / 3000, torch.full((len(partners),), 1 / len(partners)), atol=0.05, rtol=0
        )


def test_what_has_no_label_is_in_no_pair():
    found = class_pairs(5)(labelled([0, -1, 1, -1, 0, 1]), nn.Identity(), 0)
    assert set(found.anchor.tolist()) | set(found.positives[:, 0].tolist()) == {0, 2, 4, 5}
    with pytest.raises(InputError, match="one class"):
        class_pairs(1)(labelled([-1, 0, 0]), nn.Identity(), 0)


def test_of_some_rows_the_items_are_theirs():
    data = labelled([0, 0, 1, 1, 0])[torch.tensor([4, 2, 1])]
    found = class_pairs(2)(data, nn.Identity(), 0)
    assert set(found.anchor.tolist()) == set(found.positives[:, 0].tolist()) == {1, 2, 4}
    assert found.schema == "scored"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (labelled([1, 1]), "all items are of one class"),
        (Data.alone(Items("text", ["a", "b"])), "need labels"),
        (labelled([-1, -1]), "need labels"),
    ],
)
def test_what_has_no_two_classes_is_refused(data, sentence):
    with pytest.raises(InputError, match=sentence):
        class_pairs()(data, nn.Identity(), 0)
    with pytest.raises(InputError, match="0 pairs"):
        class_pairs(0)
