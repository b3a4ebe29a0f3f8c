"""Keys that know what is known of their rows."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import KeysKnow


def call(**columns):
    queries = Points(torch.eye(3), sample=torch.tensor([9, 2, 5]), **columns)
    return {"queries": queries, "keys": Points(torch.eye(4, 3), sample=torch.tensor([5, 9, -1, 2]))}


def test_keys_have_the_columns_of_the_rows_they_belong_to():
    given = {"score": torch.tensor([0.9, 0.2, 0.5]), "label": torch.tensor([90, 20, 50]), "age": torch.arange(3)}
    (after,) = KeysKnow(["score", "label"])([call(**given)], lambda model: {})
    score = after["keys"].columns["score"]
    torch.testing.assert_close(score, torch.tensor([0.5, 0.9, torch.nan, 0.2]), equal_nan=True)
    assert after["keys"].columns["label"].tolist() == [50, 90, -1, 20]
    assert "age" not in after["keys"].columns
    assert torch.equal(after["keys"].z, torch.eye(4, 3))


def test_columns_of_vectors_are_given_whole():
    vectors = torch.arange(6.0).view(3, 2)
    (after,) = KeysKnow(["said"])([call(said=vectors)], lambda model: {})
    said = after["keys"].columns["said"]
    wanted = torch.stack([vectors[2], vectors[0], torch.full((2,), torch.nan), vectors[1]])
    torch.testing.assert_close(said, wanted, equal_nan=True)


def test_what_is_not_known_is_refused():
    with pytest.raises(InputError, match="rows know no sample and score"):
        KeysKnow(["score"])([call()], lambda model: {})
