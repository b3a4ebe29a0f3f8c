"""The consistency filter: a model's own ranking says which pairs of noisy data are pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64

from counterpoint.data.types import Example
from counterpoint.encoders.prompting import encode_prompted
from counterpoint.encoders.protocol import Encoder


def ranks(
    queries_nd: Float[np.ndarray, "n d"], answers_nd: Float[np.ndarray, "n d"], pool_md: Float[np.ndarray, "m d"]
) -> Int64[np.ndarray, " n"]:
    """Rank of each query's own answer among the answer and the pool, by cosine: 1 + how many of the pool score higher.

    A pool document that scores exactly as the answer does (a copy of it, say) does not push it down.

    Examples:
        >>> q = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
        >>> ranks(q, q[::-1].copy(), q).tolist()
        [2, 2]
    """
    pool = F.normalize(torch.from_numpy(pool_md), dim=1)
    found = []
    for q, a in zip(torch.from_numpy(queries_nd).split(1024), torch.from_numpy(answers_nd).split(1024), strict=True):
        q, a = F.normalize(q, dim=1), F.normalize(a, dim=1)
        scores = q @ pool.T
        # products of the same vectors in another order differ in the last bits
        own = (q * a).sum(1, keepdim=True) + 1e-6
        found.append(1 + (scores > own).sum(1))
    return torch.cat(found).numpy()


def consistent(
    examples: Sequence[Example], encoder: Encoder, k: int = 2, *, pool: int = 1_000_000, seed: int = 0
) -> list[Example]:
    """Keep the pairs whose document ranks among the `k` best for its query against a random pool of documents.

    The encoder is one trained on these same noisy pairs: a network learns what is regular before it memorises noise.
    Source: Wang et al. 2022 (E5), section 3.1, where `k` is 2 and the pool has a million documents.

    Args:
        examples: Pairs; each is judged by its first positive.
        encoder: The judge.
        k: The worst rank that is kept.
        pool: At most so many documents, drawn from all positives.
        seed: Of the draw.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> pairs = [Example("red", ("red",)), Example("blue", ("green",)), Example("green", ("blue",))]
        >>> encoder = StaticEncoder.from_corpus(["red green blue"], dim=64)
        >>> [e.anchor for e in consistent(pairs, encoder, k=1)]
        ['red']
    """
    texts = list(dict.fromkeys(t for e in examples for t in e.positives))
    chosen = np.random.default_rng(seed).permutation(len(texts))[:pool]
    z = encoder.encode(texts, kind="document")
    place = {text: i for i, text in enumerate(texts)}
    own = z[[place[e.positives[0]] for e in examples]]
    queries = encode_prompted(encoder, [e.anchor for e in examples], [e.prompt for e in examples], kind="query")
    rank = ranks(queries, own, z[np.sort(chosen)])
    return [e for e, r in zip(examples, rank.tolist(), strict=True) if r <= k]
