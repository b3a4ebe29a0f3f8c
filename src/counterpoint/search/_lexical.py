"""The words of an index's documents: BM25, kept beside them for the state that it is of."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from counterpoint.errors import InputError
from counterpoint.files import atomic, remove, write_json
from counterpoint.search._given import Embeddings
from counterpoint.search._where import Where
from counterpoint.search.bm25 import BM25
from counterpoint.search.fusion import Fusion, check_fusion, reciprocal_rank_fusion, score_fusion
from counterpoint.search.hit import Document, Hit


class Words:
    """The ids of the documents of one state, in the order of their places in its BM25."""

    def __init__(self, names: list[str], bm25: BM25, state: int) -> None:
        self.names, self.bm25, self.state = names, bm25, state

    @classmethod
    def of(cls, texts: Mapping[str, str], language: str, state: int) -> Words:
        """Made from all ids and texts."""
        return cls(list(texts), BM25(list(texts.values()), language=language), state)

    @classmethod
    def load(cls, folder: Path, state: int) -> Words | None:
        """What was kept for this state; None if nothing was, or it cannot be read."""
        place = _place(folder, state)
        try:
            names = json.loads((place / "ids.json").read_text("utf-8"))
            bm25 = BM25.load(place)
        except (OSError, ValueError):
            return None
        return cls(names, bm25, state) if len(names) == len(bm25) else None

    def save(self, folder: Path) -> None:
        """Keep it in place of earlier ones, if one may write here; it can always be made again."""
        place = _place(folder, self.state)
        with contextlib.suppress(OSError, InputError):
            with atomic(place) as part:
                self.bm25.save(part)
                write_json(part / "ids.json", self.names)
            for other in folder.glob("bm25-*"):
                if other.name != place.name:
                    remove(other)


class Documents(Protocol):
    """The documents at one moment, as `words_of` sees them."""

    @property
    def version(self) -> int: ...

    @property
    def folder(self) -> Path: ...

    def texts(self) -> dict[str, str]: ...

    def names(self, where: Where | None = None) -> list[str]: ...

    def get(self, ids: Sequence[str]) -> dict[str, Document]: ...

    def search(
        self, queries: Embeddings, k: int, where: Where | None, also: Sequence[Sequence[str]] = ()
    ) -> list[list[Hit]]: ...


def words_of(documents: Documents, language: str, kept: Words | None) -> Words:
    """The words of these documents: those at hand or in the folder, if they are of this state, else made."""
    if kept is not None and kept.state == documents.version:
        return kept
    words = Words.load(documents.folder, documents.version)
    if words is None:
        words = Words.of(documents.texts(), language, documents.version)
        words.save(documents.folder)
    return words


def forget(folder: Path) -> None:
    """A cluster's state is known by the number of its documents alone, so what was kept may not be of it."""
    for place in folder.glob("bm25-*"):
        remove(place)


def _place(folder: Path, state: int) -> Path:
    return folder / f"bm25-{state}"


def by_both(
    documents: Documents,
    words: Words | None,
    queries: Sequence[str],
    vectors: Embeddings,
    k: int,
    where: Where | None,
    depth: int,
    weights: tuple[float, float],
    by: Fusion,
) -> list[list[Hit]]:
    """See `Index.hybrid`; without words, of no documents, nothing is found by them."""
    check_fusion(by)
    depth, lexical = max(depth, k), [dict[str, float]() for _ in queries]
    if words is not None:
        passing = None if not where else set(documents.names(where))
        among_m = None if passing is None else np.array([name in passing for name in words.names])
        pairs = zip(*words.bm25.search(queries, depth, among_m=among_m), strict=True)
        lexical = [
            {words.names[row]: float(score) for row, score in zip(found, scores, strict=True) if row >= 0}
            for found, scores in pairs
        ]
    # several vectors are compared with what words find, too
    dense = documents.search(vectors, depth, where, [list(found) for found in lexical])
    return [_fused(hits, found, k, weights, by, documents.get) for hits, found in zip(dense, lexical, strict=True)]


def _fused(
    hits: Sequence[Hit],
    lexical: Mapping[str, float],
    k: int,
    weights: tuple[float, float],
    by: Fusion,
    get: Callable[[list[str]], Mapping[str, Document]],
) -> list[Hit]:
    """The best of what was found by vector and by words; `get` gives the documents found by words alone."""
    dense = {hit.id: hit.score for hit in hits}
    names = sorted(set(dense) | set(lexical))
    number = {name: i for i, name in enumerate(names)}
    rankings = [np.array([[number[name] for name in r]], dtype=np.int64) for r in (dense, lexical)]
    values = [np.array([list(r.values())]) for r in (dense, lexical)]
    (ids,), (scores,) = (
        score_fusion(rankings, values, weights=weights, depth=k)
        if by == "scores"
        else reciprocal_rank_fusion(rankings, weights=weights, depth=k)
    )
    found = [(names[i], float(s)) for i, s in zip(ids, scores, strict=True) if i >= 0]
    documents: dict[str, Hit | Document] = {hit.id: hit for hit in hits}
    documents |= get([name for name, _ in found if name not in documents])
    return [
        Hit(name, score, documents[name].text, documents[name].columns) for name, score in found if name in documents
    ]
