from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Example
from counterpoint.views import delete_words, shuffle_partners

words = st.lists(st.sampled_from(["one", "two", "three", "four"]), min_size=1, max_size=12)


@given(words, st.floats(0, 1), st.integers(0, 100))
def test_deleted_words_are_as_many_as_asked_and_the_rest_keeps_its_order(text, share, seed):
    left = delete_words(" ".join(text), share, torch.Generator().manual_seed(seed)).split()
    assert len(left) == len(text) - min(round(share * len(text)), len(text) - 1)
    rest = iter(text)
    assert all(word in rest for word in left)


@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 100))
def test_shuffled_partners_go_round(n, share, seed):
    pairs = [Example(f"a{i}", (f"b{i}",)) for i in range(n)]
    noisy, right = shuffle_partners(pairs, share, seed)
    assert [e.anchor for e in noisy] == [e.anchor for e in pairs]
    assert sorted(e.positives for e in noisy) == sorted(e.positives for e in pairs)
    assert [a == b for a, b in zip(noisy, pairs, strict=True)] == right
    moved = round(share * n)
    assert right.count(False) == (moved if moved > 1 else 0)
