"""Labels of all points of a batch of groups."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import LabelledKeys

FOUND = torch.tensor([[4, -1, 3], [-1, -1, -1], [3, 9, 8]])


def call(brought: int = 5, **without):
    rows = {"sample": torch.tensor([30, 10, 20]), "label": torch.tensor([3, 1, 2]), "found": FOUND}
    queries = Points(torch.eye(3, 2), {k: v for k, v in rows.items() if k not in without}, input=torch.arange(3))
    sample = torch.tensor([10, 30, 30, 20, *[-1] * brought])
    keys = Points(torch.randn(len(sample), 2), sample=sample, input=torch.arange(len(sample)) + 50)
    return {"queries": queries, "keys": keys}


def test_keys_have_the_label_of_their_row_or_that_which_the_row_says():
    before = call()
    (after,) = LabelledKeys()([before], lambda model: {})
    points = after["queries"]
    assert after["keys"] is None
    assert points.columns["label"].tolist() == [3, 1, 2, 1, 3, 3, 2, 4, 3, 3, 9, 8]
    assert torch.equal(points.z, torch.cat([before["queries"].z, before["keys"].z]))
    assert points.columns["input"].tolist() == [0, 1, 2, *range(50, 59)]


def test_what_says_no_labels_or_too_few_is_refused():
    with pytest.raises(InputError, match="5 labels for 4 keys"):
        LabelledKeys()([call(4)], lambda model: {})
    for column in ("sample", "label", "found"):
        with pytest.raises(InputError, match="keys do not say what they are labelled"):
            LabelledKeys()([call(**{column: True})], lambda model: {})
