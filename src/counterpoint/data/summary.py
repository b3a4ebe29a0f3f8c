"""What was read, said in a sentence, with what was left out; whether it can be trained on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from counterpoint.data.types import Documents, Example, Retrieval, TextData, write_rejects
from counterpoint.errors import InputError


def describe(data: TextData | Retrieval | Documents, listed: str | os.PathLike[str] | None = None) -> str:
    """What was read and how it was understood, in one sentence without a full stop.

    Args:
        data: What was read.
        listed: Where the rows that were left out are listed, if there are any; see `account`.

    Examples:
        >>> data = TextData("scored", [Example("a", ("b",), score=2.5)], "x.tsv", {"score": "gold"})
        >>> describe(data)
        "read 1 scored pair from x.tsv: score = 'gold' (2.5 to 2.5)"
    """
    bad = len(data.rejected)
    rejected = f"; {bad:,} row{'s' * (bad != 1)} left out" if bad else ""
    if bad and listed is not None:
        rejected += f", listed with the reasons in {os.fspath(listed)}"
    if isinstance(data, Retrieval):
        judgements = sum(map(len, data.qrels.values()))
        return (
            f"read a retrieval test from {data.source}: {len(data.corpus):,} documents, "
            f"{len(data.queries):,} queries, {judgements:,} judgements of {len(data.qrels):,} queries"
            f"{rejected}"
        )
    if isinstance(data, Documents):
        roles = ", ".join(f"{role} = {column!r}" for role, column in data.roles.items())
        kept = "kept: " + ", ".join(map(repr, data.columns)) if data.columns else ""
        about = "; ".join(filter(None, (roles, kept, *data.notes)))
        documents = f"{len(data):,} document{'s' * (len(data) != 1)}"
        return f"read {documents} from {data.source}{': ' * bool(about)}{about}{rejected}"
    count, examples = len(data), data.examples
    noun = {"scored": "scored pair", "labelled": "labelled text"}.get(data.schema, data.schema[:-1])
    said = {role: repr(column) for role, column in data.columns.items()}
    if data.schema == "scored":
        scores = [example.score for example in examples if example.score is not None]
        said["score"] = f"{said.get('score', 'score')} ({min(scores):g} to {max(scores):g})"
    elif data.schema == "labelled":
        labels = len({label for example in examples for label in all_labels(example)})
        sizes = [len(all_labels(example)) for example in examples]
        span = f", {_span(sizes)} a row" if data.multilabel else ""
        said["label"] = f"{said.get('label', 'label')} ({labels:,} labels{span})"
    elif data.schema == "tuples":
        for role, sizes in (
            ("positive", [len(example.positives) for example in examples]),
            ("negative", [len(example.negatives) for example in examples]),
        ):
            if role in said:
                said[role] += f" ({_span(sizes)} a row)"
    about = "; ".join(filter(None, (", ".join(f"{role} = {what}" for role, what in said.items()), *data.notes)))
    return f"read {count:,} {noun}{'s' * (count != 1)} from {data.source}{': ' * bool(about)}{about}{rejected}"


def all_labels(example: Example) -> tuple[str, ...]:
    """The labels of a text, be they one or several.

    Examples:
        >>> all_labels(Example("a", label="x")), all_labels(Example("a", labels=("x", "y"))), all_labels(Example("a"))
        (('x',), ('x', 'y'), ())
    """
    if example.labels is not None:
        return example.labels
    return () if example.label is None else (example.label,)


def _span(sizes: Sequence[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low}" if low == high else f"{low} to {high}"


def account(data: TextData | Retrieval | Documents, listed: str | os.PathLike[str]) -> str:
    """`describe`, once the rows that were left out are written to the file `listed`, with their reasons.

    Examples:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "rejected.jsonl"
        >>> from counterpoint.data import Rejected
        >>> bad = Rejected("a.tsv", 3, "column 'a' is empty", {"a": ""})
        >>> account(TextData("texts", [Example("one")], "a.tsv", rejected=[bad]), file).partition(" in ")[0]
        'read 1 text from a.tsv; 1 row left out, listed with the reasons'
        >>> file.exists()
        True
    """
    if data.rejected:
        write_rejects(data.rejected, listed)
    return describe(data, listed)


def check_trainable(data: TextData, minimum: int = 2) -> None:
    """Raise `InputError` if there is too little in `data` for any contrast to be learned.

    Args:
        data: The training set.
        minimum: The fewest rows to accept.

    Raises:
        InputError: Fewer rows than `minimum`, all texts the same, one label only, or one score only.

    Examples:
        >>> check_trainable(TextData("texts", [Example("one")], "a.txt"))
        Traceback (most recent call last):
        ...
        counterpoint.errors.InputError: a.txt: 1 row is too few to train on; give at least 2.
    """

    def refuse(what: str, fix: str) -> None:
        raise InputError(what, file=data.source, fix=fix)

    count = len(data)
    if count < minimum:
        rows = f"{count} row is" if count == 1 else f"{count} rows are"
        refuse(f"{rows} too few to train on", f"give at least {minimum}")
    if len({example.anchor for example in data.examples}) < 2:
        refuse("all anchors are the same text", "give rows that differ")
    if data.schema == "labelled":
        labels = Counter(label for example in data.examples for label in all_labels(example))
        if not labels:
            refuse("no row has a label", "give labels")
        if len(labels) < 2 and labels.total() == count:
            refuse(f"all rows have the label {next(iter(labels))!r}", "give two labels or more")
        if len({frozenset(all_labels(example)) for example in data.examples}) < 2:
            refuse("all rows have the same labels", "give rows whose labels differ")
        if max(labels.values()) < 2:
            refuse("no label occurs twice", "give several texts a label")
    if data.schema == "scored" and len({example.score for example in data.examples}) < 2:
        refuse("all scores are the same", "give scores that differ, or read them as pairs")
