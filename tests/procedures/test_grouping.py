"""Points in sets, and the contrast of sets: who is in which, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import SetContrast
from counterpoint.points import Points
from counterpoint.procedures import InSets


def sides(n=5):
    z = torch.randn(3 * n, 3, 4, generator=torch.Generator().manual_seed(0))
    row = torch.randperm(n, generator=torch.Generator().manual_seed(1)) + 10
    mixed = torch.randperm(2 * n, generator=torch.Generator().manual_seed(2))
    sample, rows = torch.cat([row, torch.full((n,), -1)])[mixed], torch.cat([row, row])[mixed]
    return Points(z[:n], sample=row, row=row), Points(z[n:], sample=sample, row=rows)


def test_keys_are_in_the_set_of_their_row_in_whatever_order():
    queries, keys = sides()
    (call,) = InSets(2)([{"queries": queries, "keys": keys}], lambda model: {})
    of = dict(zip(queries.columns["row"].tolist(), [0, 0, 1, 1, 2], strict=True))
    assert call["queries"].columns["set"].tolist() == [0, 0, 1, 1, 2]
    assert call["keys"].columns["set"].tolist() == [of[row] for row in keys.columns["row"].tolist()]


def test_a_key_of_no_row_is_in_no_set():
    queries, keys = sides()
    strange = keys.with_columns(row=keys.columns["row"].clone().index_fill_(0, torch.tensor([3]), 99))
    (call,) = InSets(2)([{"queries": queries, "keys": strange}], lambda model: {})
    assert call["keys"].columns["set"][3] == -1


def test_sets_without_versions_do_not_count():
    queries, keys = sides(4)
    (call,) = InSets(2)([{"queries": queries, "keys": keys}], lambda model: {})
    q, k = call["queries"], call["keys"]
    whole = SetContrast(0.5)(q, k)
    first = SetContrast(0.5)(q, k[k.columns["set"] == 0])
    second = SetContrast(0.5)(q, k[k.columns["set"] == 1])
    torch.testing.assert_close(whole, (first + second) / 2)
    repelling = k[k.columns["sample"] < 0]
    assert SetContrast()(q, repelling).item() == 0


def test_what_repels_has_a_weight():
    z = torch.zeros(3, 3, 2)
    mine = Points(z[:1], set=torch.zeros(1).long(), sample=torch.zeros(1).long())
    changed = Points(z[:2], set=torch.zeros(2).long(), sample=torch.tensor([0, -1]))
    assert SetContrast(3.0)(mine, changed).item() == pytest.approx(math.log(4))
    for weight in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="what repels weighs"):
            SetContrast(weight)


def test_other_points_are_refused():
    queries, keys = sides()
    with pytest.raises(InputError, match="no sets"):
        SetContrast()(queries, keys)
    flat = Points(torch.eye(2), sample=torch.arange(2), set=torch.zeros(2).long())
    with pytest.raises(InputError, match="no sample, mean"):
        SetContrast()(flat, flat.with_columns(sample=torch.tensor([0, -1])))
    with pytest.raises(InputError, match="on the other side"):
        InSets(2)([{"queries": queries}], lambda model: {})
    with pytest.raises(InputError, match="which row"):
        InSets(2)([{"queries": Points(torch.eye(2)), "keys": keys}], lambda model: {})
    with pytest.raises(InputError, match="sets of 0"):
        InSets(0)
    assert not list(nn.ModuleList([InSets(2)]).parameters())
