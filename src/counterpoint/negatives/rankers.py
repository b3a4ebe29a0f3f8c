"""Who says what is like a query: BM25, or vectors. From rows to the documents that rank highest for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.search.exact import exact_search, top_k


@dataclass(frozen=True)
class Ranked:
    """What a ranker finds for some rows.

    Attributes:
        ids_bk: Documents, best first; -1 where there is none.
        scores_bk: Higher is closer; -inf where there is none.
        positive_b: The score of each row's first positive.
    """

    ids_bk: Int64[np.ndarray, "b k"]
    scores_bk: Float[np.ndarray, "b k"]
    positive_b: Float[np.ndarray, " b"]


Ranker: TypeAlias = Callable[[Data, Int64[np.ndarray, " b"], int], Ranked]
"""From data, some of its rows and a depth to what is found for these rows."""


def lexical(texts: list[str], *, language: str = "auto") -> Ranker:
    """BM25 over the documents. A document that shares no word with the query is not found.

    Args:
        texts: The documents of the data, in their order.
        language: See `counterpoint.search.BM25`.

    Raises:
        MissingExtra: PyStemmer is not installed.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> lexical(data.others.texts)(data, np.array([0]), 2).ids_bk.tolist()
        [[0, 1]]
    """
    from counterpoint.search import BM25

    bm25 = BM25(texts, language=language)

    def rank(data: Data, rows_b: Int64[np.ndarray, " b"], depth: int) -> Ranked:
        anchors = [data.anchors.texts[i] for i in data.anchor[torch.from_numpy(rows_b)].tolist()]
        first = _first_positives(data, rows_b)
        found = list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
        start = 0
        for block in bm25.score_rows(anchors):
            own = first[start : start + len(block.scores_bm)]
            start += len(own)
            ids, best = top_k(torch.from_numpy(block.scores_bm), depth)
            ids = ids.masked_fill(best.isinf(), -1)
            found.append((ids.numpy(), best.numpy(), block.scores_bm[np.arange(len(own)), own]))
        ids_bk, scores_bk, positive_b = (np.concatenate(part) for part in zip(*found, strict=True))
        # what shares no word with its query has nothing of a score, which is 0 and not -inf when it is compared with
        return Ranked(ids_bk, scores_bk, np.maximum(positive_b, 0))

    return rank


def by_vectors(
    anchors_nd: Float[np.ndarray, "n d"],
    documents_md: Float[np.ndarray, "m d"],
    *,
    metric: Literal["cosine", "dot"] = "cosine",
) -> Ranker:
    """The cosine or inner product of vectors, one an anchor and one a document; both may be memory-mapped.

    Args:
        anchors_nd: One row an anchor of the data.
        documents_md: One row a document.
        metric: Which of both.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a", ("b",)), Example("c", ("d",))])
        >>> z = np.eye(2, dtype=np.float32)
        >>> by_vectors(z, z)(data, np.array([1]), 1).ids_bk.tolist()
        [[1]]
    """

    def rank(data: Data, rows_b: Int64[np.ndarray, " b"], depth: int) -> Ranked:
        if (len(anchors_nd), len(documents_md)) != (len(data.anchors), 0 if data.others is None else len(data.others)):
            counts = f"{len(anchors_nd):,} and {len(documents_md):,} vectors"
            raise InputError(
                f"{counts} are not one an anchor and one a document", fix="encode them all, in their order"
            )
        queries = np.asarray(anchors_nd[data.anchor[torch.from_numpy(rows_b)].numpy()], dtype=np.float32)
        own = np.asarray(documents_md[_first_positives(data, rows_b)], dtype=np.float32)
        ids_bk, scores_bk = exact_search(queries, documents_md, depth, metric=metric)
        sides = [torch.from_numpy(side) for side in (queries, own)]
        if metric == "cosine":
            sides = [F.normalize(side, dim=1) for side in sides]
        return Ranked(ids_bk, scores_bk, (sides[0] * sides[1]).sum(1).numpy())

    return rank


def by_encoder(encoder: Any, data: Data) -> Ranker:
    """`by_vectors` of what an encoder makes of the data's anchors and documents, compared as it compares them.

    Args:
        encoder: Of texts, pictures or whatever the items are; its `similarity` says the inner product, else the cosine.
        data: Pairs or tuples.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> data = rows_of([Example("a", ("a b",)), Example("c", ("c b",))])
        >>> encoder = StaticEncoder.from_corpus(["a b c"], dim=32)
        >>> by_encoder(encoder, data)(data, np.array([0, 1]), 1).ids_bk.tolist()
        [[0], [1]]
    """
    if data.others is None:
        raise InputError(f"documents are of pairs, and these are {data.schema}", file=data.source or None)
    z = (encoder.encode_items(data.anchors, kind="query"), encoder.encode_items(data.others, kind="document"))
    return by_vectors(*z, metric=metric_of(encoder))


def metric_of(encoder: Any) -> Literal["cosine", "dot"]:
    """What an encoder's vectors are compared with in mining: the inner product where its `similarity` says so.

    Examples:
        >>> metric_of(torch.nn.Identity())
        'cosine'
    """
    return "dot" if getattr(encoder, "similarity", "cosine") == "dot" else "cosine"


def _first_positives(data: Data, rows_b: Int64[np.ndarray, " b"]) -> Int64[np.ndarray, " b"]:
    assert data.positives is not None  # who mines has looked
    return np.asarray(data.positives[torch.from_numpy(rows_b), 0].numpy())
