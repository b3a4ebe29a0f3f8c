"""Hits in another order."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.search import Hit, Index, rerank, reranked


def letters(queries, documents):
    """How often the query's letter is in the document."""
    return np.array([d.count(q) for q, d in zip(queries, documents, strict=True)], dtype=np.float32)


def test_order_scores_and_ties(tmp_path):
    z = np.eye(4, dtype=np.float32)
    texts = ["abb", "b", "abbb", "b again"]
    with Index.build(tmp_path / "index", list("wxyz"), texts, z, columns={"n": [1, 2, 3, 4]}) as index:
        found = index.search(np.array([[0.1, 0.4, 0.3, 0.2], [0.9, 0.1, 0.2, 0.3]], np.float32), 4)
    asked = []

    def score(queries, documents):
        asked.append(list(zip(queries, documents, strict=True)))
        return letters(queries, documents)

    again = rerank(score, ["b", "a"], found)
    assert [[hit.id for hit in hits] for hits in found] == [["x", "y", "z", "w"], ["w", "z", "y", "x"]]
    assert [[(hit.id, hit.score) for hit in hits] for hits in again] == [
        # of equal ones the one that was found first
        [("y", 3.0), ("w", 2.0), ("x", 1.0), ("z", 1.0)],
        [("z", 2.0), ("w", 1.0), ("y", 1.0), ("x", 0.0)],
    ]
    assert again[0][0].columns == {"n": 3}
    assert again[0][0].text == "abbb"
    assert len(asked) == 1
    assert rerank(score, ["b", "a"], found, 2) == [hits[:2] for hits in again]


def test_nothing_found_is_nothing_asked():
    def score(queries, documents):
        raise AssertionError

    assert rerank(score, ["a", "b"], [[], []]) == [[], []]
    assert rerank(score, [], []) == []
    one = rerank(letters, ["a", "b"], [[], [Hit("x", 1.0, "bb")]])
    assert [[hit.score for hit in hits] for hits in one] == [[], [2.0]]


def test_refusals():
    hits = [[Hit("x", 1.0, "a")]]
    with pytest.raises(InputError, match="k is 0"):
        rerank(letters, ["a"], hits, 0)
    with pytest.raises(InputError, match="2 queries and 1 lists"):
        rerank(letters, ["a", "b"], hits)
    with pytest.raises(InputError, match="NaN among them, for 1 pairs"):
        rerank(lambda queries, documents: np.array([np.nan]), ["a"], hits)
    with pytest.raises(InputError, match=r"gives \(2,\) scores"):
        reranked(lambda queries, documents: np.zeros(2), ["a"], [["x"]])
