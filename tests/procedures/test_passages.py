"""Positives that are queries, too: whose keys are what."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import AlsoPassages, AlsoQueries


def test_each_positive_has_its_query_for_a_key_and_the_hard_negatives():
    q, k = torch.randn(2, 3), torch.randn(5, 3)
    queries = Points(q, sample=torch.tensor([7, 9]), partner=torch.tensor([1, 2]), more=torch.zeros(2))
    keys = Points(k, sample=torch.tensor([7, 9, 9, -1, -1]), partner=torch.tensor([11, 12, 12, 3, 4]))
    (call,) = AlsoPassages()([{"queries": queries, "keys": keys, "guide": None}], lambda model: {})
    assert call["guide"] is None
    seen, among = call["queries"], call["keys"]
    assert torch.equal(seen.z, torch.cat([q, k[:3]]))
    assert seen.columns["term"].tolist() == [0, 0, 1, 1, 1]
    assert seen.columns["sample"].tolist() == [7, 9, 7, 9, 9]
    assert torch.equal(among.z, torch.cat([k, q, k[3:]]))
    assert among.columns["term"].tolist() == [0] * 5 + [1] * 4
    assert among.columns["sample"].tolist() == [7, 9, 9, -1, -1, 7, 9, -1, -1]
    assert among.columns["partner"].tolist() == [11, 12, 12, 3, 4, 1, 2, 3, 4]
    assert "more" not in seen.columns


@pytest.mark.parametrize("procedure", [AlsoPassages, AlsoQueries])
def test_keys_that_say_nothing_are_refused(procedure):
    with pytest.raises(InputError, match="whose positives they are"):
        procedure()([{"queries": torch.zeros(2, 3), "keys": torch.zeros(2, 3)}], lambda model: {})


def test_queries_are_keys_of_nobody():
    q, k = torch.randn(2, 3), torch.randn(3, 3)
    queries = Points(q, sample=torch.tensor([7, 9]), input=torch.tensor([1, 2]), more=torch.zeros(2))
    keys = Points(k, sample=torch.tensor([7, 9, -1]), input=torch.tensor([11, 12, 13]))
    (call,) = AlsoQueries()([{"queries": queries, "keys": keys}], lambda model: {})
    assert call["queries"] is queries
    assert torch.equal(call["keys"].z, torch.cat([k, q]))
    assert call["keys"].columns["sample"].tolist() == [7, 9, -1, -1, -1]
    assert call["keys"].columns["input"].tolist() == [11, 12, 13, 1, 2]
    assert call["keys"].columns["asked"].tolist() == [0, 0, 0, 1, 1]
