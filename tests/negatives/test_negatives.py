from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Example, debian, normalise
from counterpoint.data.rows import rows_of
from counterpoint.negatives import consistent, mine_bm25, ranks
from counterpoint.search import BM25


@pytest.fixture(scope="module")
def pairs():
    return debian().train.examples[:300]


def negatives(data):
    """Of each row."""
    return [[data.others.texts[i] for i in row if i >= 0] for row in data.negatives.tolist()]


@pytest.mark.parametrize("n", [1, 3])
def test_mined_are_the_best_of_bm25_that_are_not_the_answer(pairs, n):
    pool = [e.positives[0] for e in pairs]
    ids, _ = BM25(pool).search([e.anchor for e in pairs], 30)
    data = rows_of(pairs)
    mined = mine_bm25(data, n)
    assert torch.equal(mined.positives, data.positives)
    for e, row, found in zip(pairs, ids.tolist(), negatives(mined), strict=True):
        assert found == [pool[i] for i in row if i >= 0 and pool[i] != e.positives[0]][:n]


def test_an_answer_of_the_same_question_is_no_negative_however_it_is_written():
    examples = [
        Example("cat food", ("what a cat eats",)),
        Example("Cat  food", ("food for a cat",)),
        Example("cat toys", ("WHAT A CAT EATS",)),
        Example("a dog", ("a dog barks", "dog food"), ("cat",)),
    ]
    mined = negatives(mine_bm25(rows_of(examples), 5))
    for e, found in zip(examples, mined, strict=True):
        right = {normalise(t) for x in examples if normalise(x.anchor) == normalise(e.anchor) for t in x.positives}
        fresh = found[len(e.negatives) :]
        assert not right & {normalise(t) for t in fresh}
        assert normalise(e.anchor) not in {normalise(t) for t in fresh}
    assert mined[3][0] == "cat"
    assert "food for a cat" in mined[2]


vectors = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


@given(vectors, st.integers(1, 8), st.integers(1, 8))
def test_ranks_by_brute_force(rng, n, m):
    q, a, pool = (rng.normal(size=(k, 4)).astype(np.float32) for k in (n, n, m))
    expected = []
    for i in range(n):
        unit = [v / np.linalg.norm(v) for v in (q[i], a[i])]
        own = unit[0] @ unit[1]
        gaps = [unit[0] @ (p / np.linalg.norm(p)) - own for p in pool]
        expected.append(1 + sum(g > 1e-6 for g in gaps) + sum(abs(g) <= 1e-6 for g in gaps) / 2)
    assert ranks(q, a, pool).tolist() == expected


def test_the_answer_itself_does_not_push_it_down_and_others_that_tie_do_by_half():
    q, a = np.random.default_rng(0).normal(size=(2, 1, 64)).astype(np.float32)
    pool = np.repeat(a, 3000, axis=0)
    assert ranks(q, a, pool[:1], np.array([0])).tolist() == [1]
    assert ranks(q, a, pool, np.array([17])).tolist() == [1 + 2999 / 2]


def test_a_judge_that_tells_nothing_apart_keeps_nothing(pairs):
    class Constant:
        def encode_items(self, items, *, kind=None):
            return np.ones((len(items), 3), dtype=np.float32)

    assert len(consistent(rows_of(pairs), Constant(), k=2)) == 0
