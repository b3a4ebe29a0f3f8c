"""Answers and hard negatives that several teachers give: who finds what for a query says what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.mining import blocks_of
from counterpoint.negatives.rankers import Ranker, by_vectors, lexical

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

Teacher: TypeAlias = Callable[[Data], Ranker]
"""From the data to who finds what in them."""


def by_words(data: Data) -> Ranker:
    """BM25.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("toys", ("a cat plays with toys",))])
        >>> by_words(data)(data, np.array([0]), 2).ids_bk.tolist()
        [[0, 1]]
    """
    if data.others is None:
        raise InputError(f"documents are of pairs, and these are {data.schema}", file=data.source or None)
    return lexical(list(data.others.texts))


def by_topics(dim: int = 128, of: Literal["word", "char_wb"] = "word") -> Teacher:
    """The cosine of texts in the first dimensions of their tf-idf's singular value decomposition.

    Source: Deerwester et al. 1990, "Indexing by Latent Semantic Analysis".

    Args:
        dim: So many at most.
        of: What is counted: words, or three to five characters within a word.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("a cat eats",)), Example("toys", ("dogs play with toys",))])
        >>> by_topics(2)(data)(data, np.array([0, 1]), 1).ids_bk.tolist()
        [[0], [1]]
    """

    def teacher(data: Data) -> Ranker:
        return by_vectors(*latent(data, dim, of))

    return teacher


def latent(
    data: Data, dim: int = 128, of: Literal["word", "char_wb"] = "word"
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """Anchors and what they are contrasted with, in the first dimensions of the latter's tf-idf; see `by_topics`.

    Raises:
        InputError: There is nothing that they are contrasted with.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    if data.others is None:
        raise InputError(f"documents are of pairs, and these are {data.schema}", file=data.source or None)
    lengths = (1, 1) if of == "word" else (3, 5)
    counted = TfidfVectorizer(analyzer=of, ngram_range=lengths, sublinear_tf=True, max_features=50_000)
    documents = counted.fit_transform(data.others.texts)
    svd = TruncatedSVD(min(dim, *documents.shape), random_state=0).fit(documents)
    queries = counted.transform(data.anchors.texts)
    first, second = (svd.transform(side).astype(np.float32) for side in (queries, documents))
    return first, second


def labelled_by(
    teachers: Sequence[Teacher], *, top: int = 10, hard: tuple[int, int] = (46, 50), again: int = 0
) -> Prepare:
    """Each row's positive and hard negative are from the list of one teacher, drawn for it: what was said is not asked.

    The positive is drawn from the first `top` that the teacher finds, the negative from the places `hard`, counted from
    1. Where it finds less, a row keeps its positive, or has no negative. Source: Lin et al. 2023
    (DRAGON), whose places these are.

    Args:
        teachers: Any of them alike for each row.
        top: Places of positives.
        hard: First and last place of negatives.
        again: Another number draws others with the same seed, as rounds of training should.

    Raises:
        InputError: No teachers, or places that overlap; in a call, rows that are no pairs.
    """
    if not teachers or not 1 <= top < hard[0] <= hard[1]:
        places = f"{len(teachers)} teachers, positives to place {top}, negatives from {hard[0]} to {hard[1]}"
        raise InputError(places, fix="give one or more, and let negatives come after positives")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        if data.positives is None:
            raise InputError(f"teachers label pairs, and these are {data.schema}", file=data.source or None)
        rankers, rng, n = [teacher(data) for teacher in teachers], np.random.default_rng([seed, again]), len(data)
        whose = rng.integers(len(teachers), size=n)
        drawn = np.stack([rng.integers(top, size=n), rng.integers(hard[0] - 1, hard[1], size=n)], 1)
        found = np.full((n, 2), -1)
        for number, ranker in enumerate(rankers):
            mine = np.flatnonzero(whose == number)
            for block in blocks_of(len(mine)):
                rows_b = mine[block]
                ids_bk = ranker(data, rows_b, hard[1]).ids_bk
                wide = np.pad(ids_bk, ((0, 0), (0, hard[1] - ids_bk.shape[1])), constant_values=-1)
                found[rows_b] = np.take_along_axis(wide, drawn[rows_b], 1)
        positives, negatives = torch.from_numpy(found).split(1, 1)
        positives = torch.where(positives >= 0, positives, data.positives[:, :1])
        return replace(data, positives=positives, negatives=negatives)

    return prepare
