"""What BM25 finds first, put in order by what reads query and document together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from counterpoint.data.items import Items
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError
from counterpoint.search import BM25, Score, reranked
from counterpoint.search.exact import ScoreRows


class Reranked:
    """A reranker of BM25's first documents in an encoder's place: it has no vectors, and ranks.

    What BM25 does not find among its first is not found.

    Args:
        score: From queries and documents, one beside the other, to their scores.
        depth: How many it puts in order.

    Examples:
        >>> asked, documents = Items("text", ["cats"]), Items("text", ["a cat and a cat", "two dogs", "cats"])
        >>> shorter = Reranked(lambda queries, texts: np.array([-len(text) for text in texts]))
        >>> [rows.scores_bm.tolist() for rows in shorter.score_rows(asked, documents)]
        [[[-15.0, -inf, -4.0]]]
    """

    def __init__(self, score: Score, depth: int = 100) -> None:
        self.score, self.depth = score, depth

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """The scores of all documents for each query."""
        texts, asked = list(documents.texts), list(queries.texts)
        found, _ = BM25(texts).search(asked, self.depth)
        lists = [[row for row in ranked if row >= 0] for ranked in found.tolist()]
        ordered = reranked(self.score, asked, [[texts[i] for i in ranked] for ranked in lists])
        scores_nm, scale_n = np.full((len(asked), len(texts)), -np.inf, np.float32), np.ones(len(asked))
        for i, (ranked, (_, said)) in enumerate(zip(lists, ordered, strict=True)):
            scores_nm[i, ranked] = said
            scale_n[i] = np.abs(said).max(initial=0) or 1.0
        yield ScoreRows(scores_nm, scale_n)

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """None.

        Raises:
            InputError: Always.
        """
        del items, kind
        raise InputError("a reranker has no vectors", fix="ask for a figure of retrieval")
