"""What was found is put in another order by a model that reads query and document together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.errors import InputError, refuse_string
from counterpoint.search.hit import Hit

Score: TypeAlias = Callable[[Sequence[str], Sequence[str]], Float[np.ndarray, " n"]]
"""From queries and documents, one beside the other, to their scores, such as `CrossEncoder.score`."""


def rerank(
    score: Score, queries: Sequence[str], found: Sequence[Sequence[Hit]], k: int | None = None
) -> list[list[Hit]]:
    """Hits in the order of a reranker's scores, which they have afterwards; equal ones stay in the order they were in.

    Args:
        score: Who says how good an answer is.
        queries: The texts that were searched for.
        found: What was found for each, such as by `Index.hybrid`.
        k: How many of each are kept; all if not given.

    Raises:
        InputError: Other numbers of queries and of lists, a score that is no number, `k` below 1.

    Examples:
        >>> shared = lambda queries, documents: [len({*q.split()} & {*d.split()}) for q, d in zip(queries, documents)]
        >>> hits = [Hit("a", 0.9, "a boat"), Hit("b", 0.8, "a red boat"), Hit("c", 0.7, "the boat")]
        >>> [(hit.id, hit.score) for hit in rerank(shared, ["the red boat"], [hits])[0]]
        [('b', 2.0), ('c', 2.0), ('a', 1.0)]
    """
    if k is not None and k < 1:
        raise InputError(f"k is {k}", fix="it must be at least 1")
    ordered = reranked(score, queries, [[hit.text for hit in hits] for hits in found])
    return [
        [replace(hits[i], score=float(scores[i])) for i in order[:k].tolist()]
        for hits, (order, scores) in zip(found, ordered, strict=True)
    ]


def reranked(
    score: Score, queries: Sequence[str], documents: Sequence[Sequence[str]]
) -> list[tuple[Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]]:
    """For each query the order of its documents by their scores, equal ones as they were, and the scores as given.

    All pairs are scored in one call.

    Args:
        score: Who says how good an answer is.
        queries: The texts.
        documents: Those of each query.

    Raises:
        InputError: Other numbers of queries and of lists, a score that is no number.

    Examples:
        >>> longest = lambda queries, documents: np.array([float(len(d)) for d in documents])
        >>> [(order.tolist(), scores.tolist()) for order, scores in reranked(longest, ["q"], [["a", "bbb", "c"]])]
        [([1, 0, 2], [1.0, 3.0, 1.0])]
    """
    refuse_string(queries, "queries")
    refuse_string(documents, "documents")
    if len(queries) != len(documents):
        raise InputError(f"{len(queries)} queries and {len(documents)} lists", fix="give one list for each query")
    sizes = [len(row) for row in documents]
    asked = [query for query, size in zip(queries, sizes, strict=True) for _ in range(size)]
    scores = np.asarray(score(asked, [text for row in documents for text in row]) if asked else [], dtype=np.float64)
    if scores.shape != (len(asked),) or np.isnan(scores).any():
        what = f"the reranker gives {scores.shape} scores, or NaN among them, for {len(asked)} pairs"
        raise InputError(what, fix="give a model that gives each pair a number")
    parts = np.split(scores, np.cumsum(sizes)[:-1]) if sizes else []
    return [(np.argsort(-part, kind="stable"), part) for part in parts]
