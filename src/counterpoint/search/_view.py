"""The documents of an index in a folder, as they are at one moment."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.search._given import Embeddings, parted
from counterpoint.search._nonzero import Nonzero
from counterpoint.search._segments import Segment, comparable, nearest
from counterpoint.search._several import CANDIDATES, best_of
from counterpoint.search._where import Kinds, Where, conditions, from_cell, to_sql
from counterpoint.search.hit import Document, Hit

_MANY = 500  # keys or ids in one statement
_FILTERS = 8  # answers of filters that are kept


@dataclass
class Snapshot:
    """What all readers of one state share."""

    version: int
    segments: list[Segment]
    columns: dict[str, str]
    kinds: Kinds
    passing: OrderedDict[Any, Int64[np.ndarray, "_"]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return sum(len(s) if s.alive_m is None else int(s.alive_m.sum()) for s in self.segments)


@dataclass(frozen=True)
class View:
    """The documents as they are at one moment."""

    folder: Path
    about: Mapping[str, Any]
    snapshot: Snapshot
    db: sqlite3.Connection

    @property
    def version(self) -> int:
        """Grows with every write."""
        return self.snapshot.version

    def __len__(self) -> int:
        return len(self.snapshot)

    @property
    def nbytes(self) -> int:
        """Of the vectors."""
        dim: int = self.about["dim"]
        segments = self.snapshot.segments
        if self.about["sparse"]:
            return sum(s.vectors_md.nbytes for s in segments if isinstance(s.vectors_md, Nonzero))
        each = {"float32": 4 * dim, "int8": dim, "binary": dim + -(-dim // 8)}[self.about["precision"]]
        several: int = sum(s.each.vectors_td.nbytes for s in segments if s.each)
        return len(self) * each + several

    @property
    def recall(self) -> float | None:
        """The lowest of the graphs'; None where there is none."""
        return min((s.graph.recall for s in self.snapshot.segments if s.graph), default=None)

    def search(
        self, queries: Embeddings, k: int, where: Where | None, also: Sequence[Sequence[str]] = ()
    ) -> list[list[Hit]]:
        """The `k` closest of every query among those that pass `where`.

        Of several vectors a query: the best by MaxSim, among the documents whose means are nearest to its mean (all, if
        they are no more than `CANDIDATES`) and those whose ids are in `also`. Deeper than that come the best of the
        next `CANDIDATES`, and so on, so that the first places do not depend on `k`.
        """
        metric, segments = self.about["metric"], self.snapshot.segments
        means_nd, several = parted(queries)
        depth = k if several is None else -(-k // CANDIDATES) * CANDIDATES
        found = nearest(segments, comparable(means_nd, metric, "queries"), depth, metric, self._passing(where))
        if several is not None:
            more = [[key for _, key in keys_of(self.db, names)] for names in also] or [[] for _ in found]
            candidates = [[*keys[:CANDIDATES], *others] for (keys, _), others in zip(found, more, strict=True)]
            ranked = best_of(segments, several, candidates, k)
            for start in range(CANDIDATES, depth, CANDIDATES):
                left = [
                    [key for key in keys[start : start + CANDIDATES] if key not in set(others)]
                    for (keys, _), others in zip(found, more, strict=True)
                ]
                deeper = best_of(segments, several, left, k)
                ranked = [(a + c, b + d) for (a, b), (c, d) in zip(ranked, deeper, strict=True)]
            found = [(keys[:k], scores[:k]) for keys, scores in ranked]
        return self._hits(found)

    def _hits(self, found: Sequence[tuple[list[int], list[float]]]) -> list[list[Hit]]:
        documents = self._documents(sorted({key for keys, _ in found for key in keys}))
        return [
            [
                Hit(documents[key].id, score, documents[key].text, documents[key].columns)
                for key, score in zip(keys, scores, strict=True)
            ]
            for keys, scores in found
        ]

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Those of `ids` that there are."""
        keys = [key for _, key in keys_of(self.db, ids)]
        return {document.id: document for document in self._documents(keys).values()}

    def vectors(self, ids: Sequence[str]) -> dict[str, Float[np.ndarray, " d"]]:
        """Those of `ids` that there are, as they are compared."""
        key_of = dict(keys_of(self.db, ids))
        wanted = np.array(sorted(key_of.values()), dtype=np.int64)
        found: dict[int, Float[np.ndarray, " d"]] = {}
        for segment in self.snapshot.segments:
            rows = segment.rows(wanted)
            keys = rows + segment.first if segment.keys_m is None else segment.keys_m[rows]
            part = segment.vectors_md[rows]
            part_kd = part if isinstance(part, np.ndarray) else part.toarray()
            found |= zip(
                keys.tolist(), part_kd if segment.ranges is None else segment.ranges.restore(part_kd), strict=True
            )
        return {name: found[key] for name, key in key_of.items()}

    @property
    def kinds(self) -> Kinds:
        """The kinds of values of each column."""
        return self.snapshot.kinds

    def names(self, where: Where | None = None) -> list[str]:
        """The ids of all documents that pass, in the order in which they were added."""
        among = self._passing(where)
        if among is None:
            return [name for (name,) in self.db.execute("SELECT id FROM documents ORDER BY key")]
        chosen: list[str] = []
        for start in range(0, len(among), _MANY):
            part = among[start : start + _MANY].tolist()
            marks = ", ".join("?" * len(part))
            rows = self.db.execute(f"SELECT id FROM documents WHERE key IN ({marks}) ORDER BY key", part)
            chosen += [name for (name,) in rows]
        return chosen

    def texts(self) -> dict[str, str]:
        """Every id and text, in the order in which they were added."""
        return dict(self.db.execute("SELECT id, text FROM documents ORDER BY key"))

    def _documents(self, keys: Sequence[int]) -> dict[int, Document]:
        names = list(self.snapshot.columns)
        found: dict[int, Document] = {}
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            # without columns there is nothing in `fields`
            joined = "documents d LEFT JOIN fields f ON f.key = d.key" if names else "documents d"
            select = ", ".join(["d.key", "d.id", "d.text", *(f"f.{c}" for c in self.snapshot.columns.values())])
            for row in self.db.execute(f"SELECT {select} FROM {joined} WHERE d.key IN ({marks})", part):
                cells = zip(names, row[3:], strict=True)
                columns = {name: from_cell(cell) for name, cell in cells if cell is not None}
                found[row[0]] = Document(row[1], row[2], columns)
        return found

    def _passing(self, where: Where | None) -> Int64[np.ndarray, "_"] | None:
        """The keys of the documents that pass, ascending; None for all. The last few answers are kept."""
        asked = conditions(where, self.snapshot.kinds)
        if not asked:
            return None
        kept = self.snapshot.passing
        if (known := kept.get(asked)) is not None:
            return known
        parts = [to_sql(c, self.snapshot.columns[c.column]) for c in asked]
        clause = " AND ".join(text for text, _ in parts)
        values = [value for _, more in parts for value in more]
        rows = self.db.execute(f"SELECT key FROM fields WHERE {clause} ORDER BY key", values)
        keys = np.fromiter((key for (key,) in rows), dtype=np.int64)
        kept[asked] = keys
        while len(kept) > _FILTERS:
            with contextlib.suppress(KeyError):  # another thread was faster
                kept.popitem(last=False)
        return keys


def keys_of(db: sqlite3.Connection, ids: Sequence[str]) -> list[tuple[str, int]]:
    """Those of `ids` that there are, each with its key."""
    found: list[tuple[str, int]] = []
    for start in range(0, len(ids), _MANY):
        part = list(ids[start : start + _MANY])
        found += db.execute(f"SELECT id, key FROM documents WHERE id IN ({', '.join('?' * len(part))})", part)
    return found
