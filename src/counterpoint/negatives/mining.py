"""Hard negatives: what a search finds for a query although it is not the answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import torch

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data
from counterpoint.errors import InputError


def mine_bm25(data: Data, n: int = 1, *, depth: int = 30) -> Data:
    """Give each row the `n` documents that BM25 ranks highest for its anchor and that are not its positives.

    A document that reads like a positive (after `normalise`) of any row with the same anchor, or like the anchor
    itself, is never taken. Source: Karpukhin et al. 2020 (DPR), section 3.2: one such negative a question is best.

    Args:
        data: Pairs or tuples of texts; where to look is all that they contrast with.
        n: How many for each, after those it has; fewer where BM25 finds no more.
        depth: How deep to look in the ranking.

    Raises:
        InputError: Rows without positives.
        MissingExtra: PyStemmer is not installed.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> mine_bm25(data).negatives.tolist()
        [[1], [0]]
    """
    from counterpoint.search import BM25

    if data.others is None or data.positives is None:
        raise InputError(f"hard negatives are of pairs, and these are {data.schema}", file=data.source or None)
    pool = list(data.others.texts)
    same = [normalise(text) for text in pool]
    asked = [normalise(text) for text in data.anchors.texts]
    right: dict[str, set[str]] = defaultdict(set)
    for row, own in zip(data.anchor.tolist(), data.positives.tolist(), strict=True):
        right[asked[row]].update([asked[row], *(same[i] for i in own if i >= 0)])
    ids, _ = BM25(pool).search(data.anchors.texts, max(depth, n))
    mined = torch.full((len(data.anchors), n), -1)
    for row, found in enumerate(ids.tolist()):
        # of documents that read alike one is enough
        chosen = {same[i]: i for i in reversed(found) if i >= 0 and same[i] not in right[asked[row]]}
        first = sorted(chosen.values(), key=found.index)[:n]
        mined[row, : len(first)] = torch.tensor(first, dtype=torch.long)
    more = mined[data.anchor]
    return replace(data, negatives=more if data.negatives is None else torch.cat([data.negatives, more], 1))
