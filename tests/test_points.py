"""Points: vectors and columns that stay together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points, unknown, unmatched


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4), t=st.integers(1, 3))
def test_cat_is_the_inverse_of_slicing(sizes, t):
    n = sum(sizes)
    whole = Points(torch.randn(n, t, 2), sample=torch.arange(n), weight=torch.rand(n), deep=torch.rand(n, 3))
    parts, start = [], 0
    for size in sizes:
        parts.append(whole[start : start + size])
        start += size
    again = Points.cat(parts)
    assert torch.equal(again.z, whole.z)
    assert again.columns.keys() == whole.columns.keys()
    assert all(torch.equal(again.columns[c], whole.columns[c]) for c in whole.columns)


def test_cat_keeps_the_columns_all_have():
    a, b = Points(torch.zeros(2, 3), x=torch.ones(2), y=torch.ones(2)), Points(torch.zeros(1, 3), y=torch.zeros(1))
    both = Points.cat([a, b])
    assert list(both.columns) == ["y"]
    assert both.columns["y"].tolist() == [1, 1, 0]


def test_indexing_takes_the_columns_along():
    p = Points(torch.arange(6.0).reshape(3, 2), label=torch.tensor([5, 6, 7]))
    chosen = p[torch.tensor([2, 0, 2])]
    assert chosen.z[:, 0].tolist() == [4, 0, 4]
    assert chosen.columns["label"].tolist() == [7, 5, 7]
    assert len(chosen) == 3
    assert p[torch.tensor([True, False, True])].columns["label"].tolist() == [5, 7]


def test_replacing():
    p = Points(torch.zeros(2, 3), {"a": torch.zeros(2)}, b=torch.ones(2))
    q = p.with_columns(b=torch.zeros(2), c=torch.zeros(2))
    assert sorted(q.columns) == ["a", "b", "c"]
    assert q.columns["b"].tolist() == [0, 0]
    assert p.columns["b"].tolist() == [1, 1]
    moved = p.with_z(torch.ones(2, 7))
    assert moved.z.shape == (2, 7)
    assert sorted(moved.columns) == ["a", "b"]
    assert as_points(p) is p
    assert as_points(p.z).columns == {}
    assert repr(p) == "Points((2, 3), a, b)"


def test_columns_are_data():
    """They carry no gradient; the vectors do."""
    weight = torch.ones(2, requires_grad=True)
    z = torch.ones(2, 2, requires_grad=True)
    p = Points(z, weight=weight * 2)
    assert not p.columns["weight"].requires_grad
    assert p.z is z


def test_columns_follow_the_vectors_to_their_device():
    p = Points(torch.zeros(2, 3, device="meta"), label=torch.zeros(2, dtype=torch.long))
    assert p.columns["label"].device.type == "meta"
    assert p.with_columns(more=torch.ones(2)).columns["more"].device.type == "meta"
    assert Points(torch.zeros(2, 3), label=torch.zeros(2)).with_z(p.z).columns["label"].device.type == "meta"


def test_unmatched_match_nobody():
    p = unmatched(torch.zeros(3, 2), input=torch.tensor([1, 2, 3]))
    assert p.columns["sample"].tolist() == [-1, -1, -1]
    assert p.columns["input"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Points(torch.zeros(3)), "must be floating point and (n, d) or more, not torch.float32 (3,)"),
        (lambda: Points(torch.zeros(3, 2).int()), "not torch.int32 (3, 2); pass one row a point."),
        (lambda: Points(torch.zeros(3, 2), label=torch.zeros(4)), "column 'label' has (4,) entries for 3 points"),
        (lambda: Points(torch.zeros(3, 2), label=torch.tensor(1)), "column 'label' has () entries for 3 points"),
        (lambda: Points(torch.zeros(3, 2)).with_z(torch.zeros(2, 2)).with_columns(a=torch.zeros(3)), "for 2 points"),
    ],
)
def test_refused(make, sentence):
    with pytest.raises(InputError) as error:
        make()
    assert sentence in str(error.value)


def test_of_unknown_points_nothing_is_known_and_others_keep_what_they_have():
    columns = {"sample": torch.tensor([3]), "age": torch.tensor([2.0]), "valid": torch.tensor([False])}
    known = Points(torch.ones(1, 2), columns, guide=torch.ones(1, 3))
    both = Points.cat([known, unknown(torch.zeros(2, 2), known)])
    assert both.columns["sample"].tolist() == [3, -1, -1]
    assert both.columns["age"].tolist() == [2.0, 0.0, 0.0]
    assert both.columns["valid"].tolist() == [False, True, True]
    assert both.columns["guide"].tolist() == [[1.0] * 3, [0.0] * 3, [0.0] * 3]
