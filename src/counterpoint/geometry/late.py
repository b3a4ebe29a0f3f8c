"""Late interaction: points of several vectors on both sides, each query's vectors looking for their nearest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.errors import InputError

_ITEMS = 4096  # whose vectors are float32 at once
_SCORES = 1 << 22
"""Products of two vectors at once: 16 MB."""


def taken(
    offsets_n: Int[np.ndarray, " o"], rows: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " t"], Int[np.ndarray, " p"]]:
    """Where the parts of some items stand, in the order given, and the offsets that these then have.

    Examples:
        >>> taken(np.array([0, 2, 3]), np.array([1, 0]))
        (array([2, 0, 1]), array([0, 1, 3]))
    """
    counts = np.diff(offsets_n)[rows]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(offsets[-1]) + np.repeat(offsets_n[rows] - offsets[:-1], counts), offsets


@dataclass(frozen=True, eq=False)
class Ragged:
    """Several vectors an item, any number of them, one item after another.

    Attributes:
        vectors_td: All vectors.
        offsets_n: Where each item begins, and the end: item `i` is `vectors_td[offsets_n[i] : offsets_n[i + 1]]`.

    Raises:
        InputError: Offsets that do not go from 0 to the number of vectors.

    Examples:
        >>> z = Ragged(np.arange(6.0).reshape(3, 2), np.array([0, 2, 3]))
        >>> len(z), z.take(np.array([1, 0])).vectors_td[:, 0].tolist(), z.means()[:, 0].tolist()
        (2, [4.0, 0.0, 2.0], [1.0, 4.0])
    """

    vectors_td: Float[np.ndarray, "t d"]
    offsets_n: Int[np.ndarray, " o"]

    def __post_init__(self) -> None:
        ends, steps = self.offsets_n[[0, -1]].tolist(), np.diff(self.offsets_n)
        if self.vectors_td.ndim != 2 or ends != [0, len(self.vectors_td)] or (steps < 0).any():
            raise InputError(
                f"offsets from {ends[0]} to {ends[1]} for vectors {self.vectors_td.shape}",
                fix="give (t, d) vectors, and where each item's begin, from 0 to t",
            )

    def __len__(self) -> int:
        return len(self.offsets_n) - 1

    def take(self, rows: Int[np.ndarray, " k"]) -> Ragged:
        """Some items, in the order given."""
        places, offsets = taken(self.offsets_n, rows)
        return Ragged(self.vectors_td[places], offsets)

    def means(self) -> Float[np.ndarray, "n d"]:
        """The mean of each item's vectors, float32; zeros for an item that has none."""
        found = np.zeros((len(self), self.vectors_td.shape[1]), dtype=np.float32)
        for start in range(0, len(self), _ITEMS):
            offsets = self.offsets_n[start : start + _ITEMS + 1]
            counts = np.diff(offsets)
            there = np.flatnonzero(counts)
            if len(there):
                some_td = self.vectors_td[offsets[0] : offsets[-1]]
                sums = np.add.reduceat(some_td, offsets[there] - offsets[0], axis=0, dtype=np.float32)
                found[start + there] = sums / counts[there, None]
        return found

    def astype(self, dtype: type[np.floating]) -> Ragged:
        """The same with vectors of another precision."""
        return Ragged(self.vectors_td.astype(dtype), self.offsets_n)


class MaxSim:
    """The best match of each of a query's vectors, summed: `s = sum_i max_j q_i . k_j`.

    Points are `(n, t, d)`. A vector of zeros is none: it fills up points of fewer vectors than others, is no match and
    adds nothing, so that points of any number of vectors stand in one tensor. A key without vectors has score 0.
    Vectors are taken as they are. The gradient of a maximum goes to the match alone, the first of equal ones. It is
    written down: only which vector matched is kept, `(n, t, m)`, and never the products of all vectors,
    `(n, t, m, u)`.

    Source: Khattab and Zaharia 2020, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
    Interaction over BERT". With one vector a query it is the score of Luan et al. 2021, "Sparse, Dense, and
    Attentional Representations for Text Retrieval".

    Examples:
        >>> q = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> k = torch.tensor([[[0.6, 0.8], [1.0, 0.0]], [[-1.0, 0.0], [0.0, 0.0]]])
        >>> MaxSim().shared(q, k, 1.0)  # 1 and 0.8; -1 and 0
        tensor([[ 1.8000, -1.0000]])
    """

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Nothing: the vectors as they are."""
        return z

    def shared(
        self, q: Float[Tensor, "n t d"], k: Float[Tensor, "m u d"], scale: Tensor | float
    ) -> Float[Tensor, "n m"]:
        """Every query against every key, some keys at a time."""
        scores: Tensor = _MaxSim.apply(_cut(q), _cut(k))  # type: ignore[no-untyped-call]
        return scale * scores

    def owned(
        self, q: Float[Tensor, "n t d"], k: Float[Tensor, "n s u d"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        q, k = _cut(q), _cut(k.flatten(0, 1)).unflatten(0, k.shape[:2])
        found = torch.bmm(q, k.flatten(1, 2).mT).unflatten(2, k.shape[1:3])
        best_nts = found.masked_fill(_absent(k)[:, None], -torch.inf).max(-1).values
        there_ns = _there(k).any(-1)
        scores: Tensor = scale * (best_nts * _there(q)[..., None] * there_ns[:, None]).sum(1)
        return scores


def _there(z: Float[Tensor, "*n d"]) -> Bool[Tensor, "*n"]:
    """Which vectors are there."""
    return (z != 0).any(-1)


def _absent(k: Float[Tensor, "*m u d"]) -> Bool[Tensor, "*m u"]:
    """Which vectors of keys are no match; of a key without any the zeros stand for it."""
    there = _there(k)
    return ~there & there.any(-1, keepdim=True)


def _cut(z: Float[Tensor, "n t d"]) -> Float[Tensor, "n r d"]:
    """Only as many vectors a point as the longest has: what fills up all of them is not compared."""
    places = _there(z.detach()).any(0).nonzero()
    return z[:, : int(places[-1]) + 1] if len(places) else z[:, :1]


def _step(q: Tensor, k: Tensor) -> int:
    """How many keys are compared at once."""
    return max(1, _SCORES // max(1, q.shape[0] * q.shape[1] * k.shape[1]))


class _MaxSim(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor) -> Tensor:
        asked, absent, there = q.flatten(0, 1), _absent(k), _there(q)[..., None]
        scores, matches = [], []
        for part, none in zip(k.split(_step(q, k)), absent.split(_step(q, k)), strict=True):
            found = (asked @ part.flatten(0, 1).T).view(*q.shape[:2], *part.shape[:2])
            best = found.masked_fill_(none, -torch.inf).max(-1)
            scores.append((best.values * there).sum(1))
            matches.append(best.indices)
        ctx.save_for_backward(q, k, torch.cat(matches, 2))
        return torch.cat(scores, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        q, k, matches = ctx.saved_tensors
        # a product under autocast is in half precision
        weight_ntm = grad.to(q.dtype)[:, None] * _there(q)[..., None] * _there(k).any(-1)
        for_q, for_k, step = torch.zeros_like(q), [], _step(q, k)
        for part, match, weight in zip(k.split(step), matches.split(step, 2), weight_ntm.split(step, 2), strict=True):
            chosen = weight.new_zeros(*match.shape, k.shape[1]).scatter_(3, match[..., None], weight[..., None])
            chosen = chosen.flatten(2).flatten(0, 1)
            for_q += (chosen @ part.flatten(0, 1)).view_as(q)
            for_k.append((chosen.T @ q.flatten(0, 1)).view_as(part))
        return for_q, torch.cat(for_k)
