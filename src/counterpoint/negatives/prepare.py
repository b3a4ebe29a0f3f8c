"""Steps before a stage of training: hard negatives are mined, pairs that are none are left out."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.negatives.consistency import ranks

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare, Stage


def bm25_negatives(n: int = 1, *, depth: int = 30) -> Prepare:
    """Give each row the `n` documents that BM25 ranks highest for its anchor and that are not its positives.

    A document that reads like a positive (after `normalise`) of any row with the same anchor, or like the anchor
    itself, is never taken. Source: Karpukhin et al. 2020 (DPR), section 3.2: one such negative a question is best.

    Args:
        n: How many for each, after those it has; fewer where BM25 finds no more.
        depth: How deep to look in the ranking.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> bm25_negatives()(data, nn.Identity(), 0).negatives.tolist()
        [[1], [0]]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        from counterpoint.search import BM25

        others, positives = _pairs(data, "hard negatives are mined for")
        pool = list(others.texts)
        same = [normalise(text) for text in pool]
        asked = [normalise(text) for text in data.anchors.texts]
        right: dict[str, set[str]] = defaultdict(set)
        for row, own in zip(data.anchor.tolist(), positives.tolist(), strict=True):
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

    return prepare


def consistent_pairs(judge: Stage, k: int = 2, *, pool: int = 1_000_000) -> Prepare:
    """Keep the rows whose document ranks among the `k` best for its query against a random pool of documents.

    The judge is a copy of the encoder, trained on these same noisy pairs: a network learns what is regular before it
    memorises noise. Source: Wang et al. 2022 (E5), section 3.1, where `k` is 2 and the pool has a million documents.

    Args:
        judge: How the copy is trained; each pair is judged by its first positive.
        k: The worst rank that is kept.
        pool: At most so many documents, drawn from all positives.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.methods.stage import train_stage

        others, positives = _pairs(data, "consistency is judged of")
        copied = copy.deepcopy(encoder)
        train_stage(judge, data, copied, seed)
        documents = positives[positives >= 0].unique()
        chosen = np.sort(np.random.default_rng(seed).permutation(len(documents))[:pool])
        z = copied.encode_items(others[documents], kind="document")  # type: ignore[operator]
        answer = torch.searchsorted(documents, positives[:, 0]).numpy()
        own = np.full(len(documents), -1)
        own[chosen] = np.arange(len(chosen))
        queries = copied.encode_items(data.anchors, kind="query")[data.anchor.numpy()]  # type: ignore[operator]
        rank = ranks(queries, z[answer], z[chosen], own[answer])
        return data[torch.from_numpy(rank <= k)]

    return prepare


def _pairs(data: Data, what: str) -> tuple[Items, Tensor]:
    if data.others is None or data.positives is None:
        raise InputError(f"{what} pairs, and these are {data.schema}", file=data.source or None, fix="give pairs")
    return data.others, data.positives
