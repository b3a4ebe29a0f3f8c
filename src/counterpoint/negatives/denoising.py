"""Hard negatives that a cross-encoder has read: what it takes for an answer is none, and may become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.mining import blocks_of, mine
from counterpoint.negatives.rankers import Ranker, by_encoder
from counterpoint.negatives.rules import judged, uniform
from counterpoint.search.reranking import Score

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def relevance(data: Data, seed: int = 0, *, steps: int = 100) -> Score:
    """A small cross-encoder, trained on tuples, that gives probabilities.

    Its scores rank a query's list; a logistic regression of them on who is the positive, over the same lists, makes
    probabilities of them (Platt 1999).

    Args:
        data: Tuples of texts.
        seed: Of its training (`counterpoint.training.lists.cross_encoder`).
        steps: Likewise.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> rows = [Example(f"the {c}", (f"a {c} one",), ("nothing",)) for c in ("red", "blue", "pink")]
        >>> judge = relevance(rows_of(rows), steps=5)
        >>> right, wrong = judge(["the red"] * 2, ["a red one", "nothing"])
        >>> bool(right > 0.5 > wrong)
        True
    """
    from sklearn.linear_model import LogisticRegression

    from counterpoint.training.lists import cross_encoder, lists

    cross, listed = cross_encoder(data, seed, steps=steps), lists(data)
    row, column = (listed >= 0).nonzero(as_tuple=True)
    anchors, others = data.anchors.texts, data.others.texts  # type: ignore[union-attr]
    queries = [anchors[i] for i in data.anchor[row].tolist()]
    scores = cross.score(queries, [others[i] for i in listed[row, column].tolist()])
    # a weak penalty: a strong one would give much the same to all where rows are few
    regression = LogisticRegression(C=100.0).fit(scores[:, None], (column == 0).numpy())

    def judge(queries: Sequence[str], documents: Sequence[str]) -> Float[np.ndarray, " n"]:
        if not queries:
            return np.zeros(0)
        found: np.ndarray = regression.predict_proba(cross.score(queries, documents)[:, None])[:, 1]
        return found

    return judge


def denoised(
    n: int = 1, *, depth: int = 50, low: float = 0.1, high: float = 0.9, each: int = 4, steps: int = 100
) -> Prepare:
    """Negatives that the encoder ranks high and a cross-encoder takes for none; what it takes for answers is added.

    A cross-encoder learns from `each` negatives a row, drawn from the first `depth` that the encoder finds. The
    negatives of a row are then the first `n` of these that it gives less than `low`. A row that has no positive, a
    question that nobody has answered, gets the one of them that is likeliest, if it gives that more than `high`, and
    else is left out. Source: Qu et al. 2021 (RocketQA), whose depth and bounds these are.

    Args:
        n: Negatives a row.
        depth: How many of those that are found first are looked at.
        low: What has less is a negative.
        high: What has more is a positive.
        each: Negatives a row that the cross-encoder learns from.
        steps: Of its training.

    Raises:
        InputError: in a call, where no row has a positive, or bounds are out of order.
    """
    if not 0 < low <= high < 1:
        raise InputError(f"bounds of {low} and {high}", fix="give two probabilities, the lower one first")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        if data.positives is None:
            raise InputError(f"hard negatives are of pairs, and these are {data.schema}", file=data.source or None)
        answered = (data.positives >= 0).any(1)
        bare, open_rows = replace(data[answered], negatives=None), replace(data[~answered], negatives=None)
        if not len(bare):
            raise InputError("no row has a positive", file=data.source or None, fix="give some that have one")
        ranker = by_encoder(encoder, bare)
        judge = relevance(mine(bare, [ranker], each, depth=depth, draw=uniform, seed=seed), seed, steps=steps)
        added = pseudo_labelled(open_rows, ranker, judge, depth=depth, high=high)
        rows = replace(
            bare,
            anchor=torch.cat([bare.anchor, added.anchor]),
            positives=torch.cat([bare.positives, added.positives]),  # type: ignore[list-item]
            columns={name: torch.cat([column, added.columns[name]]) for name, column in bare.columns.items()},
        )
        return mine(rows, [ranker], n, depth=depth, keep=(judged(judge, low),), seed=seed)

    return prepare


def pseudo_labelled(data: Data, ranker: Ranker, judge: Score, *, depth: int = 50, high: float = 0.9) -> Data:
    """Rows that had no positive, with the likeliest of the first documents that are found; where none is likely, none.

    Args:
        data: Rows without positives.
        ranker: Who finds.
        judge: Who reads.
        depth: How many of those that are found first.
        high: It is more likely than this.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> from counterpoint.negatives.rankers import by_vectors
        >>> texts = Items("text", ["a b", "c"]), Items("text", ["b", "c d"])
        >>> data = Data(texts[0], torch.arange(2), texts[1], torch.full((2, 1), -1))
        >>> alike = lambda queries, documents: np.array([float(d in q) for q, d in zip(queries, documents)])
        >>> found = pseudo_labelled(data, by_vectors(np.eye(2), np.eye(2)), alike)
        >>> found.anchor.tolist(), found.positives.tolist()
        ([0], [[0]])
    """
    assert data.positives is not None and data.others is not None  # noqa: PT018 - who asks has looked
    positives = torch.full_like(data.positives, -1)
    for rows_b in blocks_of(len(data)):
        ids_bk = ranker(data, rows_b, depth).ids_bk
        row, place = (ids_bk >= 0).nonzero()
        queries = [data.anchors.texts[i] for i in data.anchor.numpy()[rows_b[row]].tolist()]
        likely_bk = np.full(ids_bk.shape, -1.0)
        likely_bk[row, place] = judge(queries, [data.others.texts[i] for i in ids_bk[row, place].tolist()])
        best_b = likely_bk.argmax(1)
        sure_b = likely_bk.max(1) > high
        chosen_b = np.where(sure_b, ids_bk[np.arange(len(rows_b)), best_b], -1)
        positives[torch.from_numpy(rows_b), 0] = torch.from_numpy(chosen_b)
    return replace(data, positives=positives)[positives[:, 0] >= 0]


def relabelled(
    *, near: int = 20, positive: bool = True, negative: bool = True, each: int = 4, steps: int = 100
) -> Prepare:
    """Whoever reads them says which of the nearest documents answers a query, and which of them does so the least.

    A cross-encoder that learned from the rows as they are, each with `each` negatives of the first `near` that the
    encoder finds, orders the row's positive and these: the first becomes its positive and the last its hard negative.
    Source: Lee et al. 2024 (Gecko), whose reader is a large language model, asked in two ways, and who find 20.

    Args:
        near: How many of those that are found first are read.
        positive: Whether the first becomes the positive; else it stays what it is.
        negative: Whether there is a hard negative.
        each: Negatives a row that the cross-encoder learns from.
        steps: Of its training.

    Raises:
        InputError: in a call, for rows without positives.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        if data.positives is None or data.others is None:
            raise InputError(f"hard negatives are of pairs, and these are {data.schema}", file=data.source or None)
        bare = replace(data, negatives=None)
        ranker = by_encoder(encoder, bare)
        judge = relevance(mine(bare, [ranker], each, depth=near, draw=uniform, seed=seed), seed, steps=steps)
        own = data.positives[:, :1]
        chosen = [
            np.concatenate([own[rows_b], ranker(bare, rows_b, near).ids_bk], 1) for rows_b in blocks_of(len(data))
        ]
        listed = np.concatenate(chosen)
        row, place = np.nonzero(listed >= 0)
        queries = [data.anchors.texts[i] for i in data.anchor.numpy()[row].tolist()]
        likely = np.full(listed.shape, np.nan)
        likely[row, place] = judge(queries, [data.others.texts[i] for i in listed[row, place].tolist()])
        every = np.arange(len(data))
        best, worst = listed[every, np.nanargmax(likely, 1)], listed[every, np.nanargmin(likely, 1)]
        first = torch.from_numpy(best)[:, None] if positive else own
        last = torch.from_numpy(worst)[:, None]
        # where there is nothing else
        last = torch.where(last == first, -1, last)
        return replace(data, positives=first, negatives=last if negative else None)

    return prepare
