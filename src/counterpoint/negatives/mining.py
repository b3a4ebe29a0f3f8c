"""Hard negatives: what a search finds for a query although it is not the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.rankers import Ranker, lexical
from counterpoint.negatives.rules import Candidates, Draw, Rule

BLOCK = 4096
"""Rows for which is searched at once."""


@dataclass(frozen=True)
class Negatives:
    """What was mined for some rows.

    Attributes:
        ids_bn: Documents, -1 where there was nothing more.
        scores_bn: Their scores; NaN there.
        positive_b: The score of each row's first positive.
        above_b: Of all documents that could have been taken, the one that is found first if it scores no less than the
            positive; else -1. A suspect: it may be an answer that nobody marked.
        above_score_b: Its score; NaN where there is none.
    """

    ids_bn: Int64[np.ndarray, "b n"]
    scores_bn: Float[np.ndarray, "b n"]
    positive_b: Float[np.ndarray, " b"]
    above_b: Int64[np.ndarray, " b"]
    above_score_b: Float[np.ndarray, " b"]


class Miner:
    """Hard negatives of rows, block by block.

    Never taken are a document that reads like a positive or a negative (after `normalise`) of any row with the same
    anchor, one that reads like the anchor, and one that reads like another that is found before it.

    Args:
        data: Pairs or tuples of texts; where to look is all that they contrast with.
        ranker: Who finds.
        n: How many for each row; fewer where no more is found or kept.
        depth: How many of those that are found first are looked at.
        keep: Rules; what one of them leaves out is not taken.
        draw: Weights to draw by; None: those that are found first.

    Raises:
        InputError: Rows without positives; numbers below 1.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> Miner(data, lexical(data.others.texts), 1, depth=2)(np.array([1]), seed=0).ids_bn.tolist()
        [[0]]
    """

    def __init__(
        self, data: Data, ranker: Ranker, n: int, *, depth: int, keep: Sequence[Rule] = (), draw: Draw | None = None
    ) -> None:
        if data.others is None or data.positives is None:
            raise InputError(f"hard negatives are of pairs, and these are {data.schema}", file=data.source or None)
        if n < 1 or depth < 1:
            raise InputError(f"{n} negatives among the first {depth}", fix="give 1 or more of each")
        self.data, self.n, self.depth = data, n, max(depth, n)
        self._ranker, self._keep, self._draw = ranker, tuple(keep), draw
        number = dict[str, int]()
        self._read_m = _numbers(data.others.texts, number)
        self._asked = _numbers(data.anchors.texts, number)
        self._known = len(number)
        # what may not be taken, a number for each pair of an anchor's text and a document's
        listed = data.positives if data.negatives is None else torch.cat([data.positives, data.negatives], 1)
        rows, columns = (listed >= 0).nonzero(as_tuple=True)
        own = self._read_m[listed[rows, columns].numpy()]
        asked = self._asked[data.anchor.numpy()]
        self._taken = np.unique(np.concatenate([asked[rows.numpy()] * self._known + own, asked * self._known + asked]))

    def __call__(self, rows_b: Int64[np.ndarray, " b"], seed: int) -> Negatives:
        """Negatives of these rows; draws follow from the seed and the rows."""
        ranked = self._ranker(self.data, rows_b, self.depth)
        open_bk = self._open(rows_b, ranked.ids_bk)
        found = Candidates(self.data, rows_b, ranked.ids_bk, ranked.scores_bk, ranked.positive_b, open_bk)
        kept_bk = open_bk.copy()
        for rule in self._keep:
            kept_bk &= rule(replace(found, open_bk=kept_bk))
        if self._draw is None:
            order_bk = np.argsort(~kept_bk, axis=1, kind="stable")
        else:
            generator = np.random.default_rng([seed, int(rows_b[0])])
            drawn_bk = self._draw(found) + generator.gumbel(size=kept_bk.shape)
            order_bk = np.argsort(-np.where(kept_bk, drawn_bk, -np.inf), axis=1, kind="stable")
        # in the order in which they are found, also where they are drawn
        places_bn = np.sort(np.where(_at(kept_bk, order_bk), order_bk, self.depth)[:, : self.n], axis=1)
        there_bn = places_bn < self.depth
        places_bn = np.where(there_bn, places_bn, 0)
        ids_bn = np.where(there_bn, _at(ranked.ids_bk, places_bn), -1)
        scores_bn = np.where(there_bn, _at(ranked.scores_bk, places_bn), np.nan).astype(np.float32)
        if ids_bn.shape[1] < self.n:
            missing = ((0, 0), (0, self.n - ids_bn.shape[1]))
            ids_bn = np.pad(ids_bn, missing, constant_values=-1)
            scores_bn = np.pad(scores_bn, missing, constant_values=np.nan)
        return Negatives(ids_bn, scores_bn, ranked.positive_b, *_above(found))

    def _open(self, rows_b: Int64[np.ndarray, " b"], ids_bk: Int64[np.ndarray, "b k"]) -> Bool[np.ndarray, "b k"]:
        """What may be taken."""
        read_bk = np.where(ids_bk >= 0, self._read_m[ids_bk], -1)
        asked_b1 = self._asked[self.data.anchor.numpy()[rows_b]][:, None]
        taken_bk = np.isin(asked_b1 * self._known + read_bk, self._taken)
        order_bk = np.argsort(read_bk, axis=1, kind="stable")
        sorted_bk = _at(read_bk, order_bk)
        again_bk = np.zeros_like(taken_bk)
        np.put_along_axis(again_bk, order_bk[:, 1:], sorted_bk[:, 1:] == sorted_bk[:, :-1], axis=1)
        return np.asarray((ids_bk >= 0) & ~taken_bk & ~again_bk)


def mine(
    data: Data,
    rankers: Sequence[Ranker],
    n: int = 1,
    *,
    depth: int = 100,
    keep: Sequence[Rule] = (),
    draw: Draw | None = None,
    seed: int = 0,
) -> Data:
    """Give each row `n` hard negatives of each ranker, after those that it has.

    Args:
        data: Pairs or tuples of texts; where to look is all that they contrast with.
        rankers: Who finds: `lexical`, `by_encoder`, `by_vectors`. What one has given the next gives no more.
        n: How many of each; fewer where no more is found or kept.
        depth: How many of those that are found first are looked at.
        keep: Rules such as `share(0.95)` and `places(10, 100)`; what one of them leaves out is not taken.
        draw: Weights to draw by, such as `uniform` and `near_positive()`; None: those that are found first.
        seed: Of the draws.

    Raises:
        InputError: As `Miner`.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> mine(data, [lexical(data.others.texts)]).negatives.tolist()
        [[1], [0]]
    """
    for ranker in rankers:
        miner = Miner(data, ranker, n, depth=depth, keep=keep, draw=draw)
        data = with_negatives(data, [miner(rows, seed).ids_bn for rows in blocks_of(len(data))])
    return data


def with_negatives(data: Data, blocks: Sequence[Int64[np.ndarray, "b n"]]) -> Data:
    """The same rows, with what was mined for them after the negatives that they have.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a", ("b",)), Example("c", ("d",))])
        >>> with_negatives(data, [np.array([[1]]), np.array([[0]])]).negatives.tolist()
        [[1], [0]]
    """
    if not blocks:
        return data
    more = torch.from_numpy(np.concatenate(blocks))
    return replace(data, negatives=more if data.negatives is None else torch.cat([data.negatives, more], 1))


def blocks_of(n: int) -> list[Int64[np.ndarray, " b"]]:
    """Rows 0 to n - 1 in the blocks that are mined at once.

    Examples:
        >>> [len(rows) for rows in blocks_of(5000)]
        [4096, 904]
    """
    return [np.arange(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def mine_bm25(data: Data, n: int = 1, *, depth: int = 30) -> Data:
    """Give each row the `n` documents that BM25 ranks highest for its anchor and that are not its positives.

    Source: Karpukhin et al. 2020 (DPR), section 3.2: one such negative a question is best. See `mine` for more.

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
    if data.others is None:
        raise InputError(f"hard negatives are of pairs, and these are {data.schema}", file=data.source or None)
    return mine(data, [lexical(list(data.others.texts))], n, depth=depth)


def _above(found: Candidates) -> tuple[Int64[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Of each row the open document that is found first, if it scores no less than the positive."""
    first_b = found.open_bk.argmax(axis=1)[:, None]
    score_b = _at(found.scores_bk, first_b)[:, 0]
    above_b = found.open_bk.any(axis=1) & (score_b >= found.positive_b)
    return np.where(above_b, _at(found.ids_bk, first_b)[:, 0], -1), np.where(above_b, score_b, np.nan)


def _at(values_bk: np.ndarray, places_bn: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values_bk, places_bn, axis=1)


def _numbers(texts: Sequence[str], number: dict[str, int]) -> Int64[np.ndarray, " n"]:
    """A number for each text, the same for those that read alike; new ones are added."""
    return np.array([number.setdefault(normalise(text), len(number)) for text in texts], dtype=np.int64)
