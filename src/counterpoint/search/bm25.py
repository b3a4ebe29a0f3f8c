"""BM25: the lexical baseline, and the lexical half of hybrid search."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from counterpoint.errors import InputError, MissingExtra, refuse_string
from counterpoint.files import atomic
from counterpoint.search.exact import top_k

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Lucene's English stop words (org.apache.lucene.analysis.en.EnglishAnalyzer)
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their then "
        "there these they this to was will with",
    )
)
_WORD = re.compile(r"\w\w+")
_SCORES = 1 << 24  # scores held at once while searching: 64 MB


class BM25:
    """BM25 as Lucene scores it (Robertson and Zaragoza 2009, with Lucene's idf, which is never negative).

    `score(q, d) = sum over t in q of  ln(1 + (N - n_t + 0.5) / (n_t + 0.5)) * f / (f + k1 (1 - b + b L_d / L))`
    with `f` how often `t` is in `d`, `n_t` how many of the `N` documents have it, and `L_d / L` the document's
    length over the mean length. A word that stands twice in the query counts twice.

    Texts are lower-cased and cut into words of two or more letters or digits; Lucene's 33 English stop words
    are left out, and the rest is stemmed (Snowball, through PyStemmer). The defaults `k1 = 0.9`, `b = 0.4` are
    Anserini's. Stemming is worth most: on 3,000 titles of the included corpus that are not held out, MRR@10 is
    0.615 without and 0.640 with it (`k1 = 1.2, b = 0.75`: 0.598 and 0.624); nDCG@10 on CISI 0.321 and
    0.368 (0.346 and 0.381).

    Args:
        texts: The documents; a document's place is its id.
        k1: How soon a repeated word stops adding, 0 or more.
        b: How much long documents are held back, 0 to 1.
        stemmer: A Snowball language ("english", "german", ...), or "" to leave words as they are.
        stopwords: Words to leave out.

    Raises:
        InputError: No texts, or `k1`, `b` or `stemmer` out of range.
        MissingExtra: PyStemmer is not installed and `stemmer` is set.

    Examples:
        >>> bm25 = BM25(["a cat sat on the mat", "cats", "the weather"])
        >>> ids, scores = bm25.search(["cats"], k=3)
        >>> ids
        array([[ 1,  0, -1]])
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        k1: float = 0.9,
        b: float = 0.4,
        stemmer: str = "english",
        stopwords: frozenset[str] = STOPWORDS,
    ) -> None:
        refuse_string(texts, "texts")
        if not texts:
            raise InputError("there is nothing to search in: no texts", fix="give at least one")
        if not (0 <= k1 < np.inf and 0 <= b <= 1):
            raise InputError(f"k1 is {k1} and b is {b}", fix="k1 is 0 or more, b from 0 to 1")
        self.k1, self.b, self.stemmer, self.stopwords = float(k1), float(b), stemmer, stopwords
        words = _words(texts, stopwords)
        vocabulary = sorted(set(chain.from_iterable(words)))
        stems = self._stems(vocabulary)
        self._term = {stem: term for term, stem in enumerate(sorted(set(stems)))}
        term = {word: self._term[stem] for word, stem in zip(vocabulary, stems, strict=True)}
        counts = _counts(words, term, len(self._term))
        self._weights_vm = self._weigh(counts)

    def _weigh(self, counts_mv: csr_array) -> csr_array:
        """The part of the score that does not depend on the query, one row a term."""
        length_m = counts_mv.sum(axis=1)
        relative_m = length_m / (length_m.mean() or 1.0)
        documents, terms = counts_mv.nonzero()
        found_v = np.bincount(terms, minlength=counts_mv.shape[1])
        idf_v = np.log1p((len(length_m) - found_v + 0.5) / (found_v + 0.5))
        f = counts_mv.data
        saturation = self.k1 * (1 - self.b + self.b * relative_m[documents])
        weights = counts_mv.copy()
        weights.data = (idf_v[terms] * f / (f + saturation)).astype(np.float32)
        return weights.T.tocsr()

    def _stems(self, words: list[str]) -> list[str]:
        if not self.stemmer:
            return words
        try:
            import Stemmer
        except ImportError as error:
            raise MissingExtra("PyStemmer", extra="search") from error
        if self.stemmer not in Stemmer.algorithms():
            raise InputError(
                f"no stemmer for {self.stemmer!r}",
                fix=f"choose one of {', '.join(Stemmer.algorithms())}, or '' for none",
            )
        stems: list[str] = Stemmer.Stemmer(self.stemmer).stemWords(words)
        return stems

    def __len__(self) -> int:
        documents: int = self._weights_vm.shape[1]
        return documents

    def search(
        self, queries: Sequence[str], k: int, *, among_m: Bool[np.ndarray, "m"] | None = None
    ) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
        """The `k` best documents of every query, best first; equal scores by the lower id.

        Args:
            queries: The texts to search for.
            k: How many to return, at least 1; with fewer documents than that, `k` is their number.
            among_m: Which documents may be found; all if not given. Scores are the same.

        Returns:
            ids (n, k) int64 and scores (n, k) float32. A document that shares no word with the query is not
            found: its place holds id -1 and score -inf.
        """
        refuse_string(queries, "queries")
        if k < 1:
            raise InputError(f"k is {k}", fix="it must be at least 1")
        k = min(k, len(self))
        ids = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        words = _words(queries, self.stopwords)
        vocabulary = sorted(set(chain.from_iterable(words)))
        stems = zip(vocabulary, self._stems(vocabulary), strict=True)
        known = {word: self._term[stem] for word, stem in stems if stem in self._term}
        step = max(1, _SCORES // len(self))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            counts_nv = _counts(words[part], known, len(self._term))
            scores_nm = torch.from_numpy((counts_nv @ self._weights_vm).toarray())
            if among_m is not None:
                scores_nm[:, torch.from_numpy(~among_m)] = 0
            best_ids, best = top_k(scores_nm, k)
            ids[part] = best_ids.masked_fill(best <= 0, -1).numpy()
            scores[part] = best.masked_fill(best <= 0, -torch.inf).numpy()
        return ids, scores

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write to a folder (JSON and npz, nothing that runs code on loading), whole or not at all."""
        weights = self._weights_vm
        settings = {
            "k1": self.k1,
            "b": self.b,
            "stemmer": self.stemmer,
            "stopwords": sorted(self.stopwords),
            "documents": len(self),
            "terms": list(self._term),
        }
        with atomic(folder) as part:
            part.mkdir()
            (part / "bm25.json").write_text(json.dumps(settings, ensure_ascii=False), "utf-8")
            np.savez(
                part / "bm25.npz",
                data=weights.data,
                indices=weights.indices,
                indptr=weights.indptr,
            )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> BM25:
        """Read what `save` wrote.

        Raises:
            InputError: The folder is absent or not whole.
        """
        from zipfile import BadZipFile

        from scipy.sparse import csr_array

        self = cls.__new__(cls)
        try:
            settings = json.loads((Path(folder) / "bm25.json").read_text("utf-8"))
            self.k1, self.b, self.stemmer = settings["k1"], settings["b"], settings["stemmer"]
            self.stopwords = frozenset(settings["stopwords"])
            self._term = {stem: term for term, stem in enumerate(settings["terms"])}
            shape = (len(self._term), settings["documents"])
            # opened here, as np.load leaves a broken file open
            with (Path(folder) / "bm25.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                data = (arrays["data"], arrays["indices"], arrays["indptr"])
            self._weights_vm = csr_array(data, shape=shape)
            self._weights_vm.check_format()
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise InputError(f"the BM25 index cannot be read ({error})", file=folder, fix="build it again") from error
        return self


def _words(texts: Sequence[str], stopwords: frozenset[str]) -> list[list[str]]:
    return [[w for w in _WORD.findall(text.lower()) if w not in stopwords] for text in texts]


def _counts(words: list[list[str]], term: dict[str, int], terms: int) -> csr_array:
    """How often each of the terms is in each text; a word that has none is left out."""
    from scipy.sparse import csr_array

    rows = [[term[word] for word in text if word in term] for text in words]
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    starts = np.cumsum([0, *map(len, rows)])
    counts = csr_array((np.ones(len(columns), np.float32), columns, starts), (len(rows), terms))
    counts.sum_duplicates()
    return counts
