"""Attention of two views: which slices and entries are compared, and how much that counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.encoders import AttentionBeside
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import SampledAttention

L = 5


def task(points):
    bert = small_transformer(["a small corpus"], layers=1, width=8, heads=2)
    found = SampledAttention(points)
    found.start(nn.Sequential(AttentionBeside(bert, L), nn.Identity()))
    return found


def maps(*sizes):
    """Two heads of texts of so many tokens, all above 0."""
    x = torch.zeros(len(sizes), 2, 1, L, L)
    for i, n in enumerate(sizes):
        x[i, :, :, :n, :n] = 0.1 + torch.rand(2, 1, n, n, generator=torch.Generator().manual_seed(n))
    return x


def asked(found, x, y):
    z = torch.ones(len(x), 3)
    sample = torch.arange(len(x))
    sides = {
        name: Points(torch.cat([z, side.flatten(1)], 1), sample=sample) for name, side in (("queries", x), ("keys", y))
    }
    (call,) = found([sides], lambda model: {})
    return call["queries"], call["keys"]


def test_slices_with_fewer_common_entries_are_left_out_and_all_of_others_may_be_drawn():
    x, y = maps(4, 3), maps(4, 3) ** 2
    y[0, 1, 0, 0, :] = 0.0  # twelve are left of the second head
    queries, keys = asked(task(16), x, y)
    assert queries.columns["term"].tolist() == [0, 0, 1]
    assert queries.columns["answer"].tolist() == keys.columns["answer"].tolist() == [-1, -1, 0]
    for side, z in ((x, queries.z), (y, keys.z)):
        logs = side[0, 0, 0, :4, :4].flatten().log()
        torch.testing.assert_close(z[2].sort().values, (logs - logs.mean()).sort().values)
    # the longest text has four tokens, and of the one slice that stays all are above 0
    torch.testing.assert_close(queries.columns["scale"], torch.full((3,), 1 + 1e-6))
    queries, _ = asked(task(12), x, y)
    assert queries.columns["term"].tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(queries.columns["scale"], torch.full((4,), (28 / 32) ** 2 + 1e-6))
    assert (queries.z[:2, :3] == 1).all()


def test_where_all_have_fewer_as_many_are_drawn_as_the_least_has():
    x = maps(4, 3)
    queries, keys = asked(task(17), x, x)
    assert queries.columns["term"].tolist() == [0, 0, 1, 1, 1, 1]
    assert queries.z.shape == (6, 9)
    torch.testing.assert_close(queries.z[2:].sum(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(queries.z, keys.z)
    torch.testing.assert_close(queries.columns["scale"][0].item(), (50 / 64) ** 2 + 1e-6)
    empty = x.clone()
    empty[0, 0] = 0.0
    queries, _ = asked(task(17), x, empty)
    assert queries.columns["term"].tolist() == [0, 0]


def test_what_has_no_attention_or_no_second_view_is_refused():
    with pytest.raises(InputError, match="no attention beside"):
        SampledAttention().start(nn.Sequential(nn.Linear(2, 2), nn.Identity()))
    with pytest.raises(InputError, match="two views"):
        task(2)([{"queries": torch.ones(2, 53), "keys": None}], lambda model: {})
    with pytest.raises(InputError, match="a correlation of 1"):
        SampledAttention(1)
