"""Texts as they are: what ranks or compares them by the words they share, without having learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from counterpoint.data.items import Items
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError
from counterpoint.search import BM25
from counterpoint.search.exact import ScoreRows
from counterpoint.tasks import Encodes
from counterpoint.testbeds.bed import Given, Parts


class Lexical:
    """BM25 in an encoder's place: it has no vectors, and ranks.

    A rival that has been made for it, with stems and lengths, where `TfIdf` is what texts are by themselves.

    Examples:
        >>> cats, dogs = Items("text", ["a cat"]), Items("text", ["some dogs", "two red cats"])
        >>> [rows.scores_bm.shape for rows in Lexical().score_rows(cats, dogs)]
        [(1, 2)]
    """

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """The scores of all documents for each query."""
        return BM25(list(documents.texts)).score_rows(list(queries.texts))

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """None.

        Raises:
            InputError: Always.
        """
        del items, kind
        raise InputError("BM25 has no vectors", fix="ask for a figure of retrieval")


class TfIdf:
    """Texts as tf-idf vectors of their words, the idf of the training texts: what shares words is near.

    Examples:
        >>> z = TfIdf(["a red cat", "a dog"]).encode_items(Items("text", ["red cat", "cat", "dog"]))
        >>> bool(z[0] @ z[1] > z[0] @ z[2])
        True
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._words = TfidfVectorizer(dtype=np.float32).fit(texts)

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row a text."""
        del kind
        vectors: np.ndarray = self._words.transform(items.texts).toarray()
        return vectors

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """The cosine of each query with all documents; of many, their vectors would be too wide to hold."""
        q, d = self._words.transform(queries.texts), self._words.transform(documents.texts).T.tocsr()
        for start in range(0, len(queries), 256):
            scores = (q[start : start + 256] @ d).toarray()
            yield ScoreRows(scores, scores.max(1))


def bm25(parts: Parts) -> Encodes:
    """It knows no training part."""
    del parts
    return Lexical()


def tf_idf(parts: Parts) -> Encodes:
    """The idf of the training texts."""
    train = parts[0]
    return TfIdf([*train.anchors.texts, *(train.others.texts if train.others is not None else ())])


LEXICAL = Given("BM25", bm25)


TF_IDF = Given("tf-idf", tf_idf)
