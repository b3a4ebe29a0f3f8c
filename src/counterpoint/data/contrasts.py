"""Two documents that differ by little, each with a query of its own, as NevIR hands them out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from counterpoint.data.jsonrows import json_rows
from counterpoint.data.types import Rejects
from counterpoint.errors import InputError

_FIELDS = ("q1", "q2", "doc1", "doc2")


@dataclass(frozen=True, slots=True)
class Contrast:
    """A pair of queries and documents.

    Attributes:
        q1: What `doc1` answers, and `doc2` does not.
        q2: The other way round.
        doc1: A document.
        doc2: Nearly the same: of NevIR one of them has a negation.
    """

    q1: str
    q2: str
    doc1: str
    doc2: str


def read_contrasts(source: str | os.PathLike[str]) -> list[Contrast] | None:
    """Read contrasts; None where the source is something else.

    A file `.jsonl` (`.gz`) whose rows have `q1`, `q2`, `doc1` and `doc2`. Source: Weller et al. 2023,
    "NevIR: Negation in Neural Information Retrieval".

    Raises:
        InputError: A row without one of the four, or where it is no text.

    Examples:
        >>> import json, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "test.jsonl"
        >>> row = {"q1": "who sleeps", "q2": "who wakes", "doc1": "a cat sleeps", "doc2": "a cat does not sleep"}
        >>> _ = path.write_text(json.dumps(row))
        >>> read_contrasts(path)[0].q2
        'who wakes'
    """
    path = Path(source)
    if not path.is_file() or not path.name.endswith((".jsonl", ".jsonl.gz")):
        return None
    try:
        first = next((row for _, row in json_rows(path, Rejects(str(path), skip=True), None)), {})
    except InputError:
        # whoever reads such files says what is wrong with it
        return None
    if not set(_FIELDS) <= first.keys():
        return None
    found, reject = list[Contrast](), Rejects(str(path))
    for line, row in json_rows(path, reject, None):
        texts = [row.get(name) for name in _FIELDS]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            reject("a contrast lacks a text", line, row, f"give {', '.join(_FIELDS)}")
        found.append(Contrast(*texts))  # type: ignore[arg-type]
    return found
