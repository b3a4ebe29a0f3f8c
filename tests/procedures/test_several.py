"""Items of several vectors: each is a point, with its own label."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import SeveralVectors


def asked(queries, keys, column="label"):
    (call,) = SeveralVectors(column)([{"queries": queries, "keys": keys}], lambda model: {})
    return call


def test_vectors_of_both_sides_are_points_with_labels_of_their_own():
    z = torch.arange(24.0).view(4, 2, 3)
    own = torch.tensor([5, 9])
    said = torch.tensor([[1, 2, 3, -1], [-1, 4, 5, 6]])
    call = asked(Points(z[:2], sample=own, said=said), Points(z[2:], sample=own), "said")
    points = call["queries"]
    assert list(call) == ["queries"]
    assert list(points.columns) == ["label"]
    by_label = {int(label): row.tolist() for label, row in zip(points.columns["label"], points.z, strict=True)}
    assert by_label == {
        1: z[0, 0].tolist(), 2: z[0, 1].tolist(), 3: z[2, 0].tolist(),
        4: z[1, 1].tolist(), 5: z[3, 0].tolist(), 6: z[3, 1].tolist(),
    }  # fmt: skip


def test_what_does_not_fit_is_refused():
    z, label = torch.zeros(2, 2, 3), torch.zeros(2, 4).long()
    for queries in (Points(z), Points(z, label=label[:, :3]), Points(z[:, 0], label=label)):
        with pytest.raises(InputError, match="need a label each"):
            asked(queries, None)
    own, other = torch.tensor([1, 2]), torch.tensor([2, 1])
    with pytest.raises(InputError, match="not one a query"):
        asked(Points(z, sample=own, label=label), Points(z, sample=other))
