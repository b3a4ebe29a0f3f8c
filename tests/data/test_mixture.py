"""Sources by a power of their size: how often each row is there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.data.mixture import by_source
from counterpoint.errors import InputError


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.floats(0, 1), st.integers(0, 99))
def test_shares_are_powers_of_sizes_and_rows_as_often_as_each_other(sizes, exponent, seed):
    source = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    data = Data.alone(Items("text", [str(i) for i in range(len(source))]), kind=source)
    found = by_source(exponent, "kind")(data, nn.Identity(), seed)
    counts = torch.bincount(found.columns["kind"], minlength=len(sizes)).tolist()
    shares = [n**exponent for n in sizes]
    for n, share in zip(counts, shares, strict=True):
        assert n == pytest.approx(max(sizes) * share / max(shares), abs=0.51)
    times = torch.bincount(found.anchor, minlength=len(source))
    for i in range(len(sizes)):
        own = times[source == i]
        assert own.min() >= 1
        assert own.max() - own.min() <= 1
    assert (source[found.anchor] == found.columns["kind"]).all()


def test_the_seed_draws_and_what_has_no_source_is_of_one():
    data = Data.alone(Items("text", [str(i) for i in range(24)]), kind=torch.tensor([0] * 20 + [1] * 4))
    seen = {tuple(by_source(0.5, "kind")(data, nn.Identity(), seed).anchor.tolist()) for seed in range(9)}
    assert len(seen) > 2
    alone = by_source()(Data.alone(Items("text", ["a", "b"])), nn.Identity(), 0)
    assert alone.columns["source"].tolist() == [0, 0]
    with pytest.raises(InputError, match=r"the power of 1\.5"):
        by_source(1.5)
