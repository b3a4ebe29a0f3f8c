"""Rows whose query stands before each of their documents."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.views import after_their_query


def test_every_document_of_a_row_stands_after_its_own_query():
    rows = [Example("q one", ("d1", "d\t2"), ("d3",)), Example("q two", ("d3",), ("d1", "d4"))]
    data = rows_of(rows)
    found = after_their_query(data, nn.Identity(), 0)
    assert found.anchors is data.anchors
    for i, row in enumerate(rows):
        for wanted, places in ((row.positives, found.positives[i]), (row.negatives, found.negatives[i])):
            texts = [found.others.texts[place] for place in places.tolist() if place >= 0]
            assert texts == [f"{' '.join(text.split())}\t{row.anchor}" for text in wanted]
    assert len(found.others) == 6


def test_pairs_stay_pairs_and_prompts_and_columns_stay():
    others = Items("text", ["a", "b"], prompts=["", "p "])
    asked = torch.tensor([0, 1])
    data = Data(Items("text", ["x", "y"]), asked, others, torch.tensor([[1], [0]]), columns={"label": asked})
    found = after_their_query(data, nn.Identity(), 0)
    assert (found.others.texts, found.others.prompts, found.negatives) == (["b\tx", "a\ty"], ["p ", ""], None)
    assert found.columns["label"].tolist() == [0, 1]


def test_items_alone_are_refused():
    with pytest.raises(InputError, match="give pairs"):
        after_their_query(Data.alone(Items("text", ["a"])), nn.Identity(), 0)
