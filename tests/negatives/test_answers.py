"""An oracle's answers as pairs."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.negatives.answers import asked, at_random, of_one_class


def rows(n=40, classes=4):
    return Data.alone(Items("image", torch.arange(n)[:, None, None, None].byte()), label=torch.arange(n) % classes)


def test_rows_of_which_nothing_is_asked_are_pairs_with_themselves():
    data = rows()[torch.tensor([7, 3, 5])]
    assert asked(at_random, 0.0)(data, nn.Identity(), 0).positives.tolist() == [[7], [3], [5]]


def test_only_yes_makes_a_pair_and_questions_are_counted():
    data = rows()
    found = asked(at_random, 0.5)(data, nn.Identity(), 1).positives[:, 0]
    label = data.columns["label"]
    assert torch.equal(label[found], label)
    changed = int((found != torch.arange(40)).sum())
    assert 0 < changed < 20
    assert int((asked(of_one_class, 0.5)(data, nn.Identity(), 1).positives[:, 0] != torch.arange(40)).sum()) == 20


def test_random_partners_are_others():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([at_random(rows(5), nn.Identity(), generator) for _ in range(200)])
    assert not (drawn == torch.arange(5)).any()
    assert set(drawn[:, 0].tolist()) == {1, 2, 3, 4}
