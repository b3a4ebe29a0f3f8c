"""Pairs of texts in propositions: which say the same, which rows are left out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.views import in_propositions


def split(text):
    return [] if text == "none" else text.split(", ")


def test_places_say_the_same_in_texts_that_are_paired_directly_or_through_others():
    pairs = [("a, b", "c, d"), ("e", "f, g, h"), ("none", "i"), ("d", "none"), ("c, d", "j, k"), ("l", "l")]
    data = in_propositions(split)(rows_of([Example(a, (b,)) for a, b in pairs]), nn.Identity(), 0)
    texts = [(data.anchors.texts[a], data.others.texts[p]) for a, (p,) in zip(data.anchor, data.positives, strict=True)]
    assert texts[1] == ("e\te", "f, g, h\tf\tg\th")
    assert [a.partition("\t")[0] for a, _ in texts] == ["a, b", "e", "c, d", "l"]
    label = data.columns["label"]
    x, y, z = label[0, 0], label[1, 0], label[3, 0]
    assert len({int(x) // 3, int(y) // 3, int(z) // 3}) == 3
    assert torch.equal(label[0], torch.stack([x, x + 1, x * 0 - 1] * 2))
    assert torch.equal(label[1], torch.stack([y, y * 0 - 1, y * 0 - 1, y, y + 1, y + 2]))
    assert torch.equal(label[2], label[0])


def test_what_has_no_pairs_or_no_propositions_is_refused():
    step = in_propositions(split)
    with pytest.raises(InputError, match="between paired texts"):
        step(Data.alone(Items("text", ["a"])), nn.Identity(), 0)
    with pytest.raises(InputError, match="no pair has propositions"):
        step(rows_of([Example("none", ("a",))]), nn.Identity(), 0)
