"""What the data room hands to every other: examples, a set of them, and a retrieval test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from counterpoint.errors import InputError, refuse_string
from counterpoint.files import atomic

Schema = Literal["texts", "pairs", "tuples", "scored", "labelled"]
SCHEMAS: tuple[Schema, ...] = ("texts", "pairs", "tuples", "scored", "labelled")
PARTS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "dev": ("dev", "valid", "validation", "val"),
    "test": ("test", "testing"),
}
"""The names that the parts of a data set go by."""
Progress = Callable[[int, int], None]
"""Called now and then while reading, with how much is done and how much there is (bytes or rows)."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row of any text dataset.

    Attributes:
        anchor: The text, the query, the first sentence.
        positives: What belongs to the anchor; any number.
        negatives: What does not; any number (hard negatives).
        score: For a scored pair: how alike `anchor` and `positives[0]` are, on the file's own scale.
        label: For a labelled text: its class; for a pair: the class of the pair, such as what follows from what.
        line: Where it came from, 1-based (a line, or a row of a Parquet or Arrow file); 0 if nowhere.
        scores: A teacher's scores of `positives` and then `negatives`, in order; empty if there are none.
        prompt: An instruction to put before the anchor; empty if there is none.
        labels: For a text with several labels: all of them, perhaps none; None where texts have one `label`.

    Examples:
        >>> Example("a plane takes off", ("an aeroplane departs",)).texts
        ('a plane takes off', 'an aeroplane departs')
    """

    anchor: str
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    score: float | None = None
    label: str | None = None
    line: int = 0
    scores: tuple[float, ...] = ()
    prompt: str = ""
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_string(self.positives, "positives")
        refuse_string(self.negatives, "negatives")
        refuse_string(self.labels, "labels")

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text of the row: the anchor, the positives, the negatives."""
        return (self.anchor, *self.positives, *self.negatives)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not read: where it is, why, and what it held."""

    file: str
    line: int
    reason: str
    row: Any


@dataclass(frozen=True)
class TextData:
    """A text dataset and how it was understood.

    Attributes:
        schema: "texts", "pairs", "tuples", "scored" or "labelled".
        examples: The rows, in the file's order.
        source: The file, folder or hub name it came from.
        columns: Role ("anchor", "positive", "negative", "score", "label", ...) -> column it was read from.
        notes: What else was noticed (columns ignored, no header, ...), said by `describe`.
        rejected: The rows left out under `skip_bad`, with their reasons.

    Examples:
        >>> data = TextData("texts", [Example("one"), Example("two")], source="memory")
        >>> len(data), list(data.texts())
        (2, ['one', 'two'])
    """

    schema: Schema
    examples: list[Example]
    source: str
    columns: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rejected: list[Rejected] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def multilabel(self) -> bool:
        """Whether the rows have sets of labels, not one label each."""
        return any(example.labels is not None for example in self.examples)

    def texts(self) -> Iterator[str]:
        """Every text of every row, in order, with repeats."""
        return (text for example in self.examples for text in example.texts)


@dataclass(frozen=True)
class Retrieval:
    """A test of retrieval: who should find what (the content of a BEIR folder).

    Attributes:
        corpus: Document id -> text (title and text joined by a space).
        queries: Query id -> text.
        qrels: Query id -> document id -> gain; 0 or less is judged and not relevant.
        source: Where it came from.
        rejected: The rows left out under `skip_bad`, with their reasons.
        prompts: Query id -> an instruction to put before the query when it is encoded; a lexical search goes without.
        columns: Name -> query id -> what is known of the query, by which it is grouped, such as its language.

    Examples:
        >>> Retrieval({"d": "a text"}, {"q": "a query"}, {"q": {"d": 1.0}}, "memory").qrels["q"]
        {'d': 1.0}
    """

    corpus: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, float]]
    source: str
    rejected: list[Rejected] = field(default_factory=list)
    prompts: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Documents:
    """What is searched or encoded: texts with their ids, and what else is known of each.

    Attributes:
        ids: The file's own where it has any (numbers as text), else "d0", "d1", ...; no two alike.
        texts: One an id; a title and a text are joined by a space.
        columns: Name -> one value an id: texts, whole numbers, numbers or truth values, one type a column; None is
            missing.
        source: Where they came from.
        notes: What else was noticed, said by `describe`.
        rejected: The rows left out under `skip_bad`, with their reasons.
        lines: Where each came from, 1-based; empty if nowhere.
        roles: Role ("id", "title", "text", ...) -> column it was read from.

    Examples:
        >>> documents = Documents(["A-17"], ["a red lamp"], {"price": [9.5]}, "memory")
        >>> len(documents), documents.columns["price"]
        (1, [9.5])
    """

    ids: list[str]
    texts: list[str]
    columns: dict[str, list[Any]]
    source: str
    notes: tuple[str, ...] = ()
    rejected: list[Rejected] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Rejects:
    """What to do with a bad row of `file`: raise `InputError`, or note it and go on when `skip` is set.

    Where several files are read as one, `file` is the one that is read.
    """

    file: str
    skip: bool = False
    rows: list[Rejected] = field(default_factory=list)

    def __call__(self, reason: str, line: int, row: Any, fix: str = "correct the row") -> None:
        """Reject the row at `line` (0: the file is one whole, such as a picture) for `reason`."""
        if not self.skip:
            raise InputError(
                reason,
                file=self.file,
                line=line or None,
                fix=f"{fix}, or go on without bad rows with skip_bad (--skip-bad)",
            )
        self.rows.append(Rejected(self.file, line, reason, row))

    def at(self, file: str | os.PathLike[str]) -> Rejects:
        """The same for another file; the rejected rows are kept together."""
        return Rejects(os.fspath(file), self.skip, self.rows)


def write_rejects(rejected: Iterable[Rejected], path: str | os.PathLike[str]) -> int:
    """Write rejected rows as JSONL (`file`, `line`, `reason`, `row`), whole or not at all; returns how many.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rejected.jsonl"
        >>> write_rejects([Rejected("a.tsv", 3, "the anchor is empty", ["", "b"])], path)
        1
        >>> print(path.read_text(), end="")
        {"file": "a.tsv", "line": 3, "reason": "the anchor is empty", "row": ["", "b"]}
    """
    import json

    count = 0
    with atomic(Path(path)) as part, part.open("w", encoding="utf-8") as out:
        for bad in rejected:
            # ASCII, so that a row refused for its broken characters can still be written
            row = {"file": bad.file, "line": bad.line, "reason": bad.reason, "row": bad.row}
            out.write(json.dumps(row, default=repr) + "\n")
            count += 1
    return count
