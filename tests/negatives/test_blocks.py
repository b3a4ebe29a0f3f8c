"""Blocks: whose they are, and how often."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from counterpoint.negatives.blocks import draw_blocks, in_blocks
from counterpoint.testbeds import DIGITS


def test_blocks_are_of_the_anchor_s_class_and_of_one_drawn_as_often_as_it_occurs():
    torch.manual_seed(0)
    labels = torch.tensor([1, 0, 1, 1, 2, 1])
    anchors = torch.arange(6).repeat(2000)
    positive, negative = draw_blocks(labels, anchors, 3)
    assert (labels[positive] == labels[anchors][:, None]).all()
    of = labels[negative]
    assert (of == of[:, :1]).all()
    assert torch.bincount(of[:, 0]) / len(anchors) == pytest.approx(torch.tensor([1, 4, 1]) / 6, abs=0.02)
    # a class's points are drawn alike
    ones = negative[of == 1]
    assert torch.bincount(ones, minlength=6)[labels == 1] / len(ones) == pytest.approx(torch.ones(4) / 4, abs=0.02)


def test_every_item_is_an_anchor_so_often_and_blocks_change():
    data = DIGITS.parts(0)[0][torch.arange(100, 150)]
    found = partial(in_blocks, size=4, rounds=3)(data, nn.Identity(), 0)
    label = dict(zip(data.anchor.tolist(), data.columns["label"].tolist(), strict=True))
    assert found.anchor.bincount(minlength=150)[100:150].tolist() == [3] * 50
    assert found.positives.shape == found.negatives.shape == (150, 4)
    for anchor, row in zip(found.anchor.tolist(), found.positives.tolist(), strict=True):
        assert {label[p] for p in row} == {label[anchor]}
    assert not torch.equal(found.negatives[:50], found.negatives[50:100])
    again = in_blocks(data, nn.Identity(), 0, size=4, rounds=3)
    assert torch.equal(found.positives, again.positives)
