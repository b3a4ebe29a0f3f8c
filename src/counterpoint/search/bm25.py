"""BM25: the lexical baseline, and the lexical half of hybrid search."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int64

from counterpoint.errors import InputError, refuse_string
from counterpoint.files import atomic, check_output
from counterpoint.search.exact import SCORES, ScoreRows
from counterpoint.search.inverted import best_of, weighed
from counterpoint.search.language import check_language, recognise
from counterpoint.search.words import words

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Lucene's English stop words (org.apache.lucene.analysis.en.EnglishAnalyzer)
STOPWORDS = frozenset(
    words(
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
        "this to was will with"
    )
)


class BM25:
    """BM25 as Lucene scores it (Robertson and Zaragoza 2009, with Lucene's idf, which is never negative).

    `score(q, d) = sum over t in q of  ln(1 + (N - n_t + 0.5) / (n_t + 0.5)) * f / (f + k1 (1 - b + b L_d / L))`
    with `f` how often `t` is in `d`, `n_t` how many of the `N` documents have it, and `L_d / L` the document's
    length over the mean length. A word that stands twice in the query counts twice.

    Words are those of `words`; they are stemmed by the language of the texts (Snowball, through PyStemmer), which is
    recognised. Of English, Lucene's 33 stop words are left out; of other languages the idf sees to them: leaving theirs
    out gained on captions and lost on short sentences. The defaults `k1 = 0.9`, `b = 0.4` are Anserini's. Stemming is
    worth most: on 3,000 titles of the included corpus that are not held out, MRR@10 is 0.611 without and 0.641 with
    stems and stop words (`k1 = 1.2, b = 0.75`: 0.600 and 0.634); nDCG@10 on CISI 0.302 and 0.360 (0.337 and 0.375).

    Args:
        texts: The documents; a document's place is its id.
        k1: How soon a repeated word stops adding, 0 or more.
        b: How much long documents are held back, 0 to 1.
        language: What the texts are in, for stop words and stems: "auto" to recognise it (`recognise`), a Snowball
            language ("english", "german", ...), "" or "none" to leave words as they are.
        grams: Count the runs of so many characters of each word, without accents and with a mark at either end, beside
            its stem (McNamee and Mayfield 2004), so that words are found by what they share with those of a related
            language; 0 for none.

    Raises:
        InputError: No texts, or `k1`, `b`, `language` or `grams` out of range.
        MissingExtra: PyStemmer is not installed, and the language is not "".

    Examples:
        >>> bm25 = BM25(["a cat sat on the mat", "cats", "the weather"])
        >>> ids, scores = bm25.search(["cats"], k=3)
        >>> ids
        array([[ 1,  0, -1]])
        >>> BM25(["plays chess", "encrypts files"], grams=4).search(["cifratura di un file", "crypto"], k=1)[0].tolist()
        [[1], [1]]
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        k1: float = 0.9,
        b: float = 0.4,
        language: str = "auto",
        grams: int = 0,
    ) -> None:
        refuse_string(texts, "texts")
        if not texts:
            raise InputError("there is nothing to search in: no texts", fix="give at least one")
        if not (0 <= k1 < np.inf and 0 <= b <= 1):
            raise InputError(f"k1 is {k1} and b is {b}", fix="k1 is 0 or more, b from 0 to 1")
        if grams < 0:
            raise InputError(f"grams is {grams}", fix="give a number of characters, or 0")
        check_language(language)
        self.k1, self.b, self.grams = float(k1), float(b), grams
        self.language, self._why = _language(texts, language)
        counted = self._words(texts)
        made = self._made(counted)
        self._term = {term: i for i, term in enumerate(sorted(set(chain.from_iterable(made.values()))))}
        counts = _counts(
            counted, {word: [self._term[t] for t in terms] for word, terms in made.items()}, len(self._term)
        )
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

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        stops = STOPWORDS if self.language == "english" else frozenset()
        return [[word for word in words(text) if word not in stops] for text in texts]

    def _made(self, texts: list[list[str]]) -> dict[str, list[str]]:
        """Of each word its stem, and after it its runs of characters."""
        stems = vocabulary = sorted(set(chain.from_iterable(texts)))
        if self.language:
            import Stemmer

            stems = Stemmer.Stemmer(self.language).stemWords(vocabulary)
        return {word: [stem, *_runs(word, self.grams)] for word, stem in zip(vocabulary, stems, strict=True)}

    def _known(self, texts: list[list[str]]) -> dict[str, list[int]]:
        """Of each word the terms that the documents have, for the words that have any."""
        made = self._made(texts).items()
        known = {word: [self._term[term] for term in terms if term in self._term] for word, terms in made}
        return {word: terms for word, terms in known.items() if terms}

    def describe(self) -> str:
        """What the words were made to, and why, in a phrase.

        Examples:
            >>> BM25(["the cat is on the mat"]).describe(), BM25(["Haus", "am See"], language="german").describe()
            ('English stems', 'German stems, as asked')
            >>> BM25(["今天北京天气晴朗"]).describe()
            'words as they are: pairs of characters, as the script has no blanks'
            >>> BM25(["the cat is on the mat"], grams=4).describe()
            'English stems and runs of 4 characters'
        """
        too = f" and runs of {self.grams} characters" * bool(self.grams)
        if self.language:
            return ", ".join([f"{self.language.capitalize()} stems{too}", *filter(None, [self._why])])
        return f"words as they are{too}: {self._why}"

    def answered(self, queries: Sequence[str]) -> float:
        """The share of queries, 0 to 1, that it finds any document for.

        Examples:
            >>> BM25(["a cat", "a dog"]).answered(["cats and dogs", "birds"])
            0.5
        """
        refuse_string(queries, "queries")
        asked = self._words(queries)
        known = self._known(asked).keys()
        return sum(not known.isdisjoint(query) for query in asked) / max(1, len(asked))

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
        return best_of(self.score_rows(queries), len(queries), min(k, len(self)), among_m)

    def score_rows(self, queries: Sequence[str]) -> Iterator[ScoreRows]:
        """The scores of every query with every document, in blocks of queries of 64 MB at most.

        -inf where a document shares no word with the query: it is not found.
        """
        refuse_string(queries, "queries")
        asked = self._words(queries)
        known = self._known(asked)
        step = max(1, SCORES // len(self))
        for start in range(0, len(queries), step):
            counts_bv = _counts(asked[start : start + step], known, len(self._term))
            yield from weighed(counts_bv, self._weights_vm)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write to a folder (JSON and npz, nothing that runs code on loading), whole or not at all.

        Raises:
            InputError: The folder holds something else, or may not be written.
        """
        check_output(folder, "replaced folder", ours=("bm25.json",))
        weights = self._weights_vm
        settings = {
            "k1": self.k1,
            "b": self.b,
            "language": self.language,
            "grams": self.grams,
            "why": self._why,
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
            self.k1, self.b = settings["k1"], settings["b"]
            self.language, self._why = settings["language"], settings["why"]
            self.grams = settings.get("grams", 0)
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


def _language(texts: Sequence[str], asked: str) -> tuple[str, str]:
    """The language, and why it is or is not."""
    if asked == "auto":
        found = recognise(texts)
        return found.language, found.why
    if not asked:
        return "", "no stems"
    return ("" if asked == "none" else asked), "as asked"


def _runs(word: str, length: int) -> Iterator[str]:
    """A word's runs of characters, without accents; whole where it is no longer, and in marks that no word has."""
    if length:
        letters = (c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
        marked = f"_{''.join(letters)}_"
        for start in range(max(1, len(marked) - length + 1)):
            yield f"[{marked[start : start + length]}]"


def _counts(counted: list[list[str]], term: dict[str, list[int]], terms: int) -> csr_array:
    """How often each of the terms is in each text; a word that has none is left out."""
    from scipy.sparse import csr_array

    rows = [[i for word in text for i in term.get(word, ())] for text in counted]
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    starts = np.cumsum([0, *map(len, rows)])
    counts = csr_array((np.ones(len(columns), np.float32), columns, starts), (len(rows), terms))
    counts.sum_duplicates()
    return counts
