"""Pairs from distances: each drawn among all that are near, or far, and nothing beside."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.negatives import near_and_far


@given(st.integers(1, 30), st.floats(0, 2), st.floats(0, 2), st.integers(0, 50))
def test_what_is_drawn_is_near_or_far_and_there_is_none_where_none_is(n, near, more, seed):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 3, generator=generator)
    found = near_and_far(z, near, near + more, generator)
    for i in range(n):
        distances = [(float((z[i] - z[j]).norm()), j) for j in range(n)]
        allowed = [{j for d, j in distances if d <= near and j != i}, {j for d, j in distances if d > near + more}]
        for rows, of in zip(found, allowed, strict=True):
            assert int(rows[i]) in (of or {-1})


def test_each_is_drawn_as_often():
    z = torch.tensor([[0.0], [0.1], [0.2], [5.0], [6.0]])
    drawn = [near_and_far(z, 1.0, 2.0, torch.Generator().manual_seed(seed)) for seed in range(200)]
    for side, of in ((0, (1, 2)), (1, (3, 4))):
        times = torch.bincount(torch.stack([pair[side][0] for pair in drawn]), minlength=5)
        assert int(times.sum()) == int(times[list(of)].sum())
        assert all(70 < int(times[j]) < 130 for j in of)


def test_far_is_no_nearer_than_near():
    with pytest.raises(InputError, match=r"far is 0\.5"):
        near_and_far(torch.zeros(2, 1), 1.0, 0.5, torch.Generator())
