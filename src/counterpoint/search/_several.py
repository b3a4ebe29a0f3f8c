"""All vectors of documents that have several: kept as float16 beside their means, compared by MaxSim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float16

from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.search._files import mapped, write_matrix
from counterpoint.search.late import _scores

if TYPE_CHECKING:
    from counterpoint.search._segments import Segment

CANDIDATES = 1000
"""Documents whose means are nearest to a query's, which are compared with by all vectors; as many as in ColBERT."""
_ROWS = 1024  # documents whose vectors are taken at once


def map_each(file: Path, rows: int, dim: int) -> Ragged:
    """The vectors of a segment's documents, mapped.

    Raises:
        FileNotFoundError: They are not there (any more).
        InputError: They are not what they were.
    """
    (ends,) = mapped(file.with_suffix(".ends"), (1, rows + 1), np.dtype("<i8"), torch_reads=False)
    # rows are copied out of it, and it may be larger than the memory
    each = mapped(file.with_suffix(".each"), (int(ends[-1]), dim), np.dtype("<f2"), torch_reads=False)
    return Ragged(each, ends)


def write_each(file: Path, dim: int, parts: Sequence[tuple[Ragged, Bool[np.ndarray, " n"] | None]]) -> None:
    """Write the vectors of those documents that are alive, part after part, and where each document's begin.

    Raises:
        InputError: A number is too large for float16, or none.
    """
    rows = [np.arange(len(z)) if alive_n is None else np.flatnonzero(alive_n) for z, alive_n in parts]
    counts = [np.diff(z.offsets_n)[own] for (z, _), own in zip(parts, rows, strict=True)]
    offsets = np.concatenate([[0], np.concatenate(counts).cumsum()])

    def blocks() -> Iterator[Float16[np.ndarray, "_ d"]]:
        for (z, _), own in zip(parts, rows, strict=True):
            for start in range(0, len(own), _ROWS):
                yield _half(z.take(own[start : start + _ROWS]))

    write_matrix(file.with_suffix(".each"), blocks(), (int(offsets[-1]), dim), "<f2")
    write_matrix(file.with_suffix(".ends"), iter([offsets[None]]), (1, len(offsets)), "<i8")


def _half(z: Ragged) -> Float16[np.ndarray, "t d"]:
    with np.errstate(over="ignore"):
        found = z.vectors_td.astype(np.float16)
    if not np.isfinite(found).all():
        what = "a document's vectors hold NaN, infinite or far too large values"
        raise InputError(what, fix="encode it again; a model that gives NaN has diverged in training")
    return found


def best_of(
    segments: Sequence[Segment], queries: Ragged, candidates: Sequence[Sequence[int]], k: int
) -> list[tuple[list[int], list[float]]]:
    """Keys and scores of the `k` of every query's candidates with the greatest MaxSim, equal ones by the lower key.

    Args:
        segments: Where the documents are, by ascending keys.
        queries: The vectors of each.
        candidates: Keys of documents that there are, in any order.
        k: How many.
    """
    found = []
    for row, keys in enumerate(candidates):
        keys_c, asked = np.unique(np.array(keys, dtype=np.int64)), queries.take(np.array([row]))
        scores = [np.empty(0, dtype=np.float32)]
        for segment in segments:
            assert segment.each is not None
            own = segment.rows(keys_c)
            for start in range(0, len(own), _ROWS):
                scores.append(_scores(asked, segment.each.take(own[start : start + _ROWS]))[0])
        score_c = np.concatenate(scores)
        best = np.argsort(-score_c, kind="stable")[:k]
        found.append((keys_c[best].tolist(), score_c[best].tolist()))
    return found
