"""Places of keys in the rows of queries, where those that matter are few: no `(n, m)` mask is made of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_MOST_SPARSE = 8

# places `(n, p)` in each row, and their weights: those of weight 0 are padding
Places = tuple[Tensor, Tensor]


def join(q: Tensor, k: Tensor, *, most: int = _MOST_SPARSE, hashes: bool = False) -> Places | None:
    """For each id in `q`, the places in `k` with the same id; None if there are more than `most` for some.

    Ids below 0 match nothing, unless they are hashes.
    """
    order = torch.argsort(k, stable=True)
    sorted_k = k[order]
    low = torch.searchsorted(sorted_k, q)
    count = torch.searchsorted(sorted_k, q, right=True) - low
    count = count if hashes else torch.where(q >= 0, count, 0)
    p = int(count.max()) if len(q) else 0
    if p > most:
        return None
    steps = torch.arange(p, device=q.device)
    place = low[:, None] + torch.where(steps < count[:, None], steps, 0)
    index = order[place.clamp_max(max(len(k) - 1, 0))]
    return index, (steps < count[:, None]).to(torch.float32)


def beside(parts: Sequence[Places]) -> Places:
    """All parts' places in one row."""
    return torch.cat([index for index, _ in parts], 1), torch.cat([weight for _, weight in parts], 1)


def compact(places: Places) -> tuple[Tensor, Tensor]:
    """Each place once, in as few columns as hold them, and how many `(n,)`; the padding repeats a place of the row."""
    index, weight = places
    if index.shape[1] <= 1:
        count = (weight > 0).sum(1)
        return index[:, : int(count.max())], count
    none = torch.iinfo(index.dtype).max
    index = torch.where(weight > 0, index, none).sort(1).values
    again = torch.zeros_like(index, dtype=torch.bool)
    again[:, 1:] = index[:, 1:] == index[:, :-1]
    index = torch.where(again, none, index).sort(1).values
    count = (index != none).sum(1)
    index = index[:, : int(count.max())]
    # any columns will do in a row that has none, but different ones: what is put back there must be put back once
    first = torch.where(count[:, None] > 0, index[:, :1], torch.arange(index.shape[1], device=index.device))
    return torch.where(index == none, first, index), count
