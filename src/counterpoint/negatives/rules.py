"""Which of the documents that were found are taken for negatives: rules that leave some out, and ways to draw."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int64

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data
from counterpoint.errors import InputError, refuse_string
from counterpoint.search.reranking import Score


@dataclass(frozen=True)
class Candidates:
    """What was found for some rows, best first.

    Attributes:
        data: All rows.
        rows_b: Which of them these are.
        ids_bk: Documents.
        scores_bk: Higher is closer.
        positive_b: The score of each row's first positive.
        open_bk: Which may still be taken: neither a positive, nor the anchor itself, nor read alike before.
    """

    data: Data
    rows_b: Int64[np.ndarray, " b"]
    ids_bk: Int64[np.ndarray, "b k"]
    scores_bk: Float[np.ndarray, "b k"]
    positive_b: Float[np.ndarray, " b"]
    open_bk: Bool[np.ndarray, "b k"]


Rule: TypeAlias = Callable[[Candidates], Bool[np.ndarray, "b k"]]
"""From candidates to which of them are kept."""
Draw: TypeAlias = Callable[[Candidates], Float[np.ndarray, "b k"]]
"""From candidates to the logarithms of the weights that they are drawn by, without replacement."""


def places(first: int, last: int) -> Rule:
    """Keep the places `first` to `last`, counted from 1 among all that is found, positives included.

    The first places hold answers that nobody has marked; so a rank is where it begins. Source: sentence-transformers'
    `range_min` and `range_max`; the band of ranks of SciNCL (Ostendorff et al. 2022).

    Examples:
        >>> found = Candidates(None, None, np.zeros((1, 4), int), None, None, None)
        >>> places(2, 3)(found).tolist()
        [[False, True, True, False]]
    """
    if not 1 <= first <= last:
        raise InputError(f"places {first} to {last}", fix="count from 1, and let the last be no less than the first")

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        place_k = 1 + np.arange(found.ids_bk.shape[1])
        return np.broadcast_to((first <= place_k) & (place_k <= last), found.ids_bk.shape)

    return keep


def margin(least: float) -> Rule:
    """Keep what scores at least so much less than the positive: `s <= s_pos - least`.

    Source: Moreira et al. 2024, "NV-Retriever", TopK-MarginPos.

    Examples:
        >>> found = Candidates(None, None, None, np.array([[0.9, 0.5]]), np.array([0.8]), None)
        >>> margin(0.1)(found).tolist()
        [[False, True]]
    """

    _check(least)

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        return np.asarray(found.scores_bk <= found.positive_b[:, None] - least)

    return keep


def share(most: float = 0.95) -> Rule:
    """Keep what scores at most such a share of the positive's score: `s <= most * s_pos`.

    Where the positive's score is below 0, where a share of it would be more, `s <= s_pos - (1 - most) |s_pos|`, which
    is the same above. Source: Moreira et al. 2024, "NV-Retriever", TopK-PercPos, whose best share is 0.95.

    Examples:
        >>> found = Candidates(None, None, None, np.array([[0.79, 0.5]]), np.array([0.8]), None)
        >>> share(0.95)(found).tolist()
        [[False, True]]
    """

    _check(most)

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        bound_b = found.positive_b - (1 - most) * np.abs(found.positive_b)
        return np.asarray(found.scores_bk <= bound_b[:, None])

    return keep


def below(score: float) -> Rule:
    """Keep what scores less than this. Source: Moreira et al. 2024, "NV-Retriever", TopK-Abs.

    Examples:
        >>> found = Candidates(None, None, None, np.array([[0.9, 0.5]]), None, None)
        >>> below(0.7)(found).tolist()
        [[False, True]]
    """

    _check(score)

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        return np.asarray(found.scores_bk < score)

    return keep


def judged(score: Score, most: float) -> Rule:
    """Keep what a judge that reads query and document together scores less than `most`.

    Asked about those only that may still be taken. Source: Qu et al. 2021, "RocketQA", section 3.2.2, cross-encoders
    that denoise hard negatives; their bound is a probability of 0.1.

    Args:
        score: From queries and documents, one beside the other, to their scores, such as `CrossEncoder.score`.
        most: The bound.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a", ("b",), ("a a", "c"))])
        >>> rows, ids, every = np.array([0]), np.array([[1, 2]]), np.ones((1, 2), bool)
        >>> alike = lambda queries, documents: np.array([float(q in d) for q, d in zip(queries, documents)])
        >>> judged(alike, 0.5)(Candidates(data, rows, ids, None, None, every)).tolist()
        [[False, True]]
    """

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        data, kept = found.data, found.open_bk.copy()
        assert data.others is not None  # they were found
        row, _ = kept.nonzero()
        queries = [data.anchors.texts[i] for i in data.anchor.numpy()[found.rows_b[row]].tolist()]
        documents = [data.others.texts[i] for i in found.ids_bk[kept].tolist()]
        kept[kept] = np.asarray(score(queries, documents)) < most
        return kept

    return keep


def other_owners(anchors_nd: Float[np.ndarray, "n d"], most: float) -> Rule:
    """Keep what is the positive of no anchor that is as near as `most` to the row's: a document's own queries judge it.

    What is no anchor's positive is kept. Of several owners the nearest counts. Source: SaHa ("From
    Generator to Embedder", 2025), whose authors keep so many candidates whose owners are the least alike; here it is a
    bound.

    Args:
        anchors_nd: A vector for each anchor of the data.
        most: The cosine from which on queries ask for the same.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a", ("b",)), Example("A", ("c",)), Example("d", ("e",))])
        >>> z = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], dtype=np.float32)
        >>> found = Candidates(data, np.array([0]), np.array([[1, 2]]), None, None, None)
        >>> other_owners(z, 0.8)(found).tolist()
        [[False, True]]
    """
    _check(most)
    z_nd = anchors_nd / np.maximum(np.linalg.norm(anchors_nd, axis=1, keepdims=True), 1e-12)

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        data = found.data
        assert data.positives is not None and data.others is not None  # noqa: PT018 - who mines has looked
        row, column = (data.positives >= 0).nonzero(as_tuple=True)
        owner, owned = data.anchor[row].numpy(), data.positives[row, column].numpy()
        order = np.argsort(owned, kind="stable")
        owner, starts = owner[order], np.searchsorted(owned[order], np.arange(len(data.others) + 1))
        kept = np.ones(found.ids_bk.shape, dtype=bool)
        for b, anchor in enumerate(data.anchor.numpy()[found.rows_b].tolist()):
            for k, i in enumerate(found.ids_bk[b].tolist()):
                mine = owner[starts[i] : starts[i + 1]]
                kept[b, k] = not len(mine) or float((z_nd[mine] @ z_nd[anchor]).max()) < most
        return kept

    return keep


def without_answers(answers: Sequence[Sequence[str]]) -> Rule:
    """Keep what holds no answer of the row's question, as words one after another, whatever their case.

    Source: Karpukhin et al. 2020 (DPR), section 3.2: passages that BM25 finds and that do not contain the answer.

    Args:
        answers: Those of each anchor of the data; nothing: everything is kept.

    Raises:
        InputError: A string, whose letters would be the anchors, or one for an anchor.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("who?", ("Ada did",), ("it was ADA", "adamant"))])
        >>> found = Candidates(data, np.array([0]), np.array([[1, 2]]), None, None, None)
        >>> without_answers([["Ada"]])(found).tolist()
        [[False, True]]
    """
    refuse_string(answers, "answers")
    for each in answers:
        refuse_string(each, "answers")
    sought = [[_worded(answer) for answer in each] for each in answers]

    def keep(found: Candidates) -> Bool[np.ndarray, "b k"]:
        data = found.data
        assert data.others is not None  # they were found
        texts = {i: _worded(data.others.texts[i]) for i in np.unique(found.ids_bk[found.ids_bk >= 0]).tolist()}
        anchors = data.anchor.numpy()[found.rows_b].tolist()
        rows = zip(anchors, found.ids_bk.tolist(), strict=True)
        return np.array([[not any(a in texts.get(i, "") for a in sought[anchor]) for i in ids] for anchor, ids in rows])

    return keep


def _worded(text: str) -> str:
    """Its words between blanks, so that a part of a word is not taken for it."""
    words = " ".join(re.findall(r"\w+", normalise(text)))
    return f" {words} "


def _check(bound: float) -> None:
    if not math.isfinite(bound):
        raise InputError(f"a bound of {bound}", fix="give a finite number")


def uniform(found: Candidates) -> Float[np.ndarray, "b k"]:
    """All alike. Source: Xiong et al. 2021 (ANCE), who draw from the 200 that are found first."""
    return np.zeros(found.ids_bk.shape)


def near_positive(a: float = 0.5, b: float = 0.0) -> Draw:
    """The closer a score to the positive's, the likelier: `p ~ exp(-a (s - s_pos - b)^2)`.

    Neither what is far from the query, which teaches nothing, nor what is so much closer than the positive that it is
    one. Source: Zhou et al. 2022, "SimANS", equation of the sampling distribution, over the first 100.

    Args:
        a: How narrow; above 0. It goes with the size of the scores: theirs are inner products.
        b: Where the likeliest is, off the positive.

    Examples:
        >>> found = Candidates(None, None, None, np.array([[0.9, 0.5]]), np.array([0.9]), None)
        >>> near_positive(1.0)(found).round(2).tolist()
        [[-0.0, -0.16]]
    """
    if not a > 0:
        raise InputError(f"a is {a}", fix="give a number above 0")

    def weigh(found: Candidates) -> Float[np.ndarray, "b k"]:
        return np.asarray(-a * (found.scores_bk - found.positive_b[:, None] - b) ** 2)

    return weigh
