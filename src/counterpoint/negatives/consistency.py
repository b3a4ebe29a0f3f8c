"""The consistency filter: a model's own ranking says which pairs of noisy data are pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.search.exact import TIED


def ranks(
    queries_nd: Float[np.ndarray, "n d"],
    answers_nd: Float[np.ndarray, "n d"],
    pool_md: Float[np.ndarray, "m d"],
    own_n: Int64[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, " n"]:
    """Rank of each query's own answer among the answer and the pool, by cosine: 1 + how many of the pool score higher.

    Documents that score the same share the mean of their ranks, so that a model that tells nothing apart puts no
    answer first.

    Args:
        queries_nd: One row a query.
        answers_nd: The answer of each.
        pool_md: What else could be found.
        own_n: The row of the pool that is the query's answer and does not count, -1 where there is none.

    Examples:
        >>> q = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
        >>> ranks(q, q[::-1].copy(), q[:1]).tolist(), ranks(q, q, q, np.arange(2)).tolist()
        ([2.0, 1.5], [1.0, 1.0])
    """
    pool = F.normalize(torch.from_numpy(pool_md), dim=1)
    own = torch.from_numpy(np.full(len(queries_nd), -1) if own_n is None else own_n)
    found = []
    sides = (torch.from_numpy(queries_nd), torch.from_numpy(answers_nd), own)
    for q, a, own_b in zip(*(side.split(1024) for side in sides), strict=True):
        q, a = F.normalize(q, dim=1), F.normalize(a, dim=1)
        scores = q @ pool.T
        there = own_b >= 0
        scores[there, own_b[there]] = -torch.inf
        gap = scores - (q * a).sum(1, keepdim=True)
        found.append(1 + (gap > TIED).sum(1) + (gap.abs() <= TIED).sum(1) / 2)
    return np.asarray(torch.cat(found).double().numpy())


def consistent(data: Data, encoder: Any, k: int = 2, *, pool: int = 1_000_000, seed: int = 0) -> Data:
    """Keep the rows whose document ranks among the `k` best for its query against a random pool of documents.

    The encoder is one trained on these same noisy pairs: a network learns what is regular before it memorises noise.
    Source: Wang et al. 2022 (E5), section 3.1, where `k` is 2 and the pool has a million documents.

    Args:
        data: Pairs; each is judged by its first positive.
        encoder: The judge.
        k: The worst rank that is kept.
        pool: At most so many documents, drawn from all positives.
        seed: Of the draw.

    Raises:
        InputError: Rows without positives.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> pairs = rows_of([Example("red", ("red",)), Example("blue", ("green",)), Example("green", ("blue",))])
        >>> encoder = StaticEncoder.from_corpus(["red green blue"], dim=64)
        >>> kept = consistent(pairs, encoder, k=1)
        >>> kept.anchors[kept.anchor].texts
        ['red']
    """
    if data.others is None or data.positives is None:
        raise InputError(f"consistency is of pairs, and these are {data.schema}", file=data.source or None)
    documents = data.positives[data.positives >= 0].unique()
    chosen = np.sort(np.random.default_rng(seed).permutation(len(documents))[:pool])
    z = encoder.encode_items(data.others[documents], kind="document")
    answer = torch.searchsorted(documents, data.positives[:, 0]).numpy()
    own = np.full(len(documents), -1)
    own[chosen] = np.arange(len(chosen))
    queries = encoder.encode_items(data.anchors, kind="query")[data.anchor.numpy()]
    rank = ranks(queries, z[answer], z[chosen], own[answer])
    return data[torch.from_numpy(rank <= k)]
