from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.encoders import POOLINGS, concat, drop_tokens, lengths, pool, take
from counterpoint.encoders.features import from_ids
from counterpoint.encoders.packing import layout, pack
from counterpoint.errors import InputError

ragged = st.lists(st.lists(st.integers(1, 99), max_size=9), min_size=1, max_size=12)


def rows(features):
    ids, offsets = features["input_ids"].tolist(), features["offsets"].tolist()
    return [ids[a:b] for a, b in pairwise(offsets)]


@given(ids=ragged, data=st.data())
def test_take_is_list_indexing(ids, data):
    chosen = data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=15))
    features = {**from_ids(ids), "prompt": torch.arange(len(ids))}
    taken = take(features, chosen)
    assert rows(taken) == [ids[i] for i in chosen]
    assert taken["prompt"].tolist() == chosen


@given(first=ragged, second=ragged)
def test_concat_is_list_concatenation(first, second):
    assert rows(concat([from_ids(first), from_ids(second)])) == first + second


@given(ids=ragged, p=st.floats(0, 1), seed=st.integers(0, 99))
def test_dropped_tokens_leave_subsequences_that_begin_alike(ids, p, seed):
    torch.manual_seed(seed)
    start = len(ids) // 2
    after = rows(drop_tokens(from_ids(ids), p, start=start))
    assert after[:start] == ids[:start]
    for whole, kept in zip(ids[start:], after[start:], strict=True):
        rest = iter(whole)
        assert all(token in rest for token in kept)
        assert kept[:1] == whole[:1]


def test_token_dropout_has_its_rate():
    torch.manual_seed(0)
    kept = drop_tokens(from_ids([[1] * 100_000]), 0.3)
    assert len(kept["input_ids"]) == pytest.approx(70_000, rel=0.01)


@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=60), slack=st.integers(0, 30))
def test_packed_texts_fit_and_do_not_overlap(sizes, slack):
    width = max(sizes) + slack
    row, column = pack(np.array(sizes), width)
    used = np.zeros((row.max() + 1, width), dtype=int)
    for r, c, size in zip(row, column, sizes, strict=True):
        assert c + size <= width
        used[r, c : c + size] += 1
    assert used.max() == 1
    # at most one row can be half empty, else two of them would have been one
    assert (used.sum(1) * 2 < width).sum() <= 1
    assert set(row) == set(range(row.max() + 1))


@given(ids=st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=12))
@settings(max_examples=40)
def test_layout_keeps_every_token_and_masks_other_texts(ids):
    features = from_ids(ids)
    for width in (None, 16):
        rows_ = layout(features, width=width, pad=0)
        flat = rows_.input_ids.flatten()
        assert flat[rows_.token].tolist() == [t for row in ids for t in row]
        positions = rows_.position_ids.flatten()[rows_.token].tolist()
        assert positions == [i for row in ids for i in range(len(row))]
        owner = rows_.text.flatten()
        assert (owner >= 0).sum() == lengths(features).sum()
        for causal in (False, True):
            mask = rows_.mask(torch.float32, causal=causal)[:, 0]
            for owners, seen in zip(rows_.text.numpy(), (mask == 0).numpy(), strict=True):
                same = np.equal.outer(owners, owners)
                np.testing.assert_array_equal(seen, np.tril(same) if causal else same)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_against_a_loop(pooling):
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    offsets = torch.tensor([0, 4, 5, 9])
    skip = torch.tensor([2, 1, 0])  # the second text is all prompt: it keeps it
    for skip_n in (None, skip):
        z = pool(h, offsets, pooling, skip_n)
        for i, (a, b) in enumerate([(0, 4), (4, 5), (5, 9)]):
            s = 0 if skip_n is None or i == 1 else int(skip[i])
            tokens = h[a + s : b]
            weights = torch.arange(s + 1, b - a + 1, dtype=torch.float64)
            expected = {
                "mean": tokens.mean(0),
                "cls": tokens[0],
                "max": tokens.max(0).values,
                "last": tokens[-1],
                "weighted_mean": (weights[:, None] * tokens).sum(0) / weights.sum(),
                "mean_sqrt_len": tokens.sum(0) / len(tokens) ** 0.5,
            }[pooling]
            torch.testing.assert_close(z[i], expected)


def test_pooling_sums_bfloat16_in_float32():
    h = torch.ones(1000, 1, dtype=torch.bfloat16)  # a bfloat16 sum would stop at 256
    assert pool(h, torch.tensor([0, 1000]), "mean").item() == 1.0


def test_unknown_pooling_is_named():
    from counterpoint.encoders.pooling import check_pooling

    with pytest.raises(InputError, match="unknown pooling 'median'"):
        check_pooling("median")
