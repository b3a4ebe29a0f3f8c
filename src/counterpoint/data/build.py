"""Rows to examples and to texts with ids, each checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from counterpoint.data.jsonrows import type_name
from counterpoint.data.schema import NAMES, NLI, NUMBERED, UNLABELLED, Columns, Roles
from counterpoint.data.tables import Row, Table, nothing_read, plain
from counterpoint.data.types import Example, Rejects, TextData
from counterpoint.errors import InputError

BY_ID = ("positive_document_ids", "negative_document_ids")  # Tevatron: texts by document id


class BadRowError(ValueError):
    """Why a row cannot be an example."""


def build(
    table: Table,
    roles: Roles,
    source: str,
    reject: Rejects,
    documents: Mapping[str, str] | None = None,
) -> TextData:
    """Make the examples of a table; every row that cannot be one is rejected with its reason.

    Args:
        table: The rows.
        roles: Which column is what, from `recognise`.
        source: What to call the data.
        reject: Called with every bad row.
        documents: Id -> text, where the columns hold document ids (Tevatron).

    Raises:
        InputError: A row is bad (unless `reject` skips), or none is left.

    Examples:
        >>> table = Table(("a", "b"), iter([(1, {"a": "one", "b": "un"}), (2, {"a": "two", "b": "deux"})]))
        >>> roles = Roles("pairs", {"anchor": ("a",), "positive": ("b",)})
        >>> [example.texts for example in build(table, roles, "words.csv", Rejects("words.csv")).examples]
        [('one', 'un'), ('two', 'deux')]
    """
    notes = list(table.notes)
    if roles.nli:
        examples = list(_inference(table, roles, reject, notes))
    else:
        examples = list(examples_of(table, roles, reject, documents))
    if not examples:
        raise InputError(
            nothing_read(reject, "no row can be used"),
            file=source,
            fix="check the columns (columns=, --column)",
        )
    used = {column for columns in roles.columns.values() for column in columns}
    ignored = [column for column in table.columns if column not in used]
    if ignored:
        notes.append("not read: " + ", ".join(map(repr, ignored)))
    if none := sum(example.labels == () for example in examples):
        notes.append(f"{none:,} row{'s have' if none > 1 else ' has'} no label and so no positive")
    if roles.separator:
        notes.append(f"labels divided at {roles.separator!r}")
    columns = {role: ", ".join(names) for role, names in roles.columns.items()}
    return TextData(roles.schema, examples, source, columns, tuple(notes), reject.rows)


def examples_of(table: Table, roles: Roles, reject: Rejects, documents: Mapping[str, str] | None) -> Iterator[Example]:
    """The examples of a table, one after the other; see `build`."""
    known = set(table.columns)
    for line, row in table.rows:
        if not row.keys() <= known and (late := [c for c in row if c not in known and _is_text_role(c)]):
            fix = "put such a row first, so that the column is seen"
            reject(f"column {late[0]!r} occurs here for the first time, too late to be read", line, row, fix)
            continue
        try:
            yield from _example(row, line, roles, documents)
        except BadRowError as bad:
            reject(str(bad), line, row)


def _is_text_role(column: str) -> bool:
    name = plain(column)
    return name in NAMES["negative"] or any(pattern.fullmatch(name) for pattern in NUMBERED.values())


def _example(row: Row, line: int, roles: Roles, documents: Mapping[str, str] | None) -> Iterator[Example]:
    columns, schema = roles.columns, roles.schema
    anchor = columns["anchor"][0]
    positives = texts_of(row, columns.get("positive", ()), documents)
    negatives = texts_of(row, columns.get("negative", ()), documents)
    if schema == "texts":
        texts = texts_of(row, columns["anchor"], None) + positives + negatives
        if not texts:
            raise BadRowError(f"column {anchor!r} is empty")
        yield from (Example(text, line=line) for text in texts)
        return
    query = _text(row.get(anchor), anchor)
    if schema == "labelled":
        if roles.sets:
            yield Example(query, labels=_labels(row, roles), line=line)
        else:
            yield Example(query, label=label_of(row.get(columns["label"][0]), columns["label"][0]), line=line)
        return
    if not positives:
        raise BadRowError(f"column {', '.join(map(repr, columns['positive']))} is empty")
    prompt = row.get(columns["prompt"][0]) if "prompt" in columns else None
    prompt = _text(prompt, columns["prompt"][0]) if prompt else ""
    if schema == "pairs":
        label = _pair_label(row, columns["pair_label"][0]) if "pair_label" in columns else None
        yield from (Example(query, (text,), label=label, line=line, prompt=prompt) for text in positives)
    elif schema == "scored":
        if len(positives) > 1:
            raise BadRowError(f"{len(positives)} texts where a scored pair has one")
        score = _number(row.get(columns["score"][0]), columns["score"][0])
        yield Example(query, positives, score=score, line=line)
    else:
        scores = _scores(row, columns, "pos_scores", positives) + _scores(row, columns, "neg_scores", negatives)
        if len(scores) < len(positives) + len(negatives):
            scores = ()  # a teacher that scored one side only has nothing to compare
        yield Example(query, positives, negatives, line=line, scores=scores, prompt=prompt)


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str) and value is not None:
        raise BadRowError(f"column {column!r} holds {type_name(value)} where a text belongs")
    if value is None or not value.strip():
        raise BadRowError(f"column {column!r} is empty")
    return whole(value, column)


def texts_of(row: Row, columns: tuple[str, ...], documents: Mapping[str, str] | None) -> tuple[str, ...]:
    """The texts of cells that hold none, one, or a list: each a text, a passage or a document id.

    Raises:
        BadRowError: A cell holds something else.
    """
    texts: list[str] = []
    for column in columns:
        value = row.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue  # fewer than there are columns: rows may be ragged
        items = value if isinstance(value, list) else (value,)
        texts += [_passage(item, column, documents) for item in items]
    return tuple(texts)


def _passage(value: Any, column: str, documents: Mapping[str, str] | None) -> str:
    if isinstance(value, dict) and "text" in value:
        return _text(joined((value.get("title"), value["text"])), column)
    if documents is not None and plain(column) in BY_ID:
        if str(value) not in documents:
            raise BadRowError(f"column {column!r} names the unknown document {value!r}")
        return documents[str(value)]
    return _text(value, column)


def joined(parts: Iterable[Any]) -> Any:
    """Title and text of a passage joined by a space, as BEIR and Tevatron do; a non-text is left as it is.

    Examples:
        >>> joined(("Cats", "They purr.")), joined(("", "Hi.")), joined(("Cats", None)), joined(("Cats", 5))
        ('Cats They purr.', 'Hi.', 'Cats', 5)
    """
    there = [part for part in parts if part is not None and part != ""]
    for part in there:
        if not isinstance(part, str):
            return part
    texts = [part for part in there if part.strip()]
    return texts[0] if len(texts) == 1 else " ".join(texts).strip()


def identified(
    rows: Iterable[tuple[int, Row]], id_column: str, parts: Sequence[str], reject: Rejects
) -> Iterator[tuple[int, str, str, Row]]:
    """Line, id, text and row of everything that has an id of its own; all else is rejected with its reason.

    Args:
        rows: (line, row) pairs.
        id_column: The column of the ids: texts as they are, whole numbers as texts.
        parts: The columns whose texts are joined by a space.
        reject: Called with every bad row, such as a second one with an id.
    """
    first: dict[str, int] = {}
    for line, row in rows:
        value = row.get(id_column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        key = str(value)
        if value is None or key == "":
            reject(f"no id in column {id_column!r}", line, row, "give every row its own id")
        elif isinstance(value, bool) or not isinstance(value, str | int):
            what = "a number with a fraction" if isinstance(value, float) else type_name(value)
            reject(f"column {id_column!r} is {what}, where an id belongs", line, row, "give a text or a whole number")
        elif key in first:
            reason = f"the id {key!r} occurs twice, first in line {first[key]:,}"
            reject(reason, line, row, "give every row its own id")
        else:
            try:
                text = passage(row, parts, f" of id {key!r}")
                whole(key, id_column)
            except BadRowError as bad:
                reject(str(bad), line, row)
                continue
            first[key] = line
            yield line, key, text, row


def passage(row: Row, parts: Sequence[str], whose: str = "") -> str:
    """The texts of some columns joined by a space.

    Raises:
        BadRowError: One is not a text, or all are empty.
    """
    text = joined(row.get(part) for part in parts)
    if not isinstance(text, str):
        column = next(c for c in parts if row.get(c) is not None and not isinstance(row[c], str))
        raise BadRowError(f"column {column!r}{whose} is not a text but {type_name(text)}")
    if not text.strip():
        raise BadRowError(f"the text{whose} is empty" if whose else f"column {parts[-1]!r} is empty")
    return whole(text, parts[-1])


def whole(text: str, column: str) -> str:
    """The text, if it has no half characters."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise BadRowError(f"column {column!r} holds half of a character (a surrogate)") from None
    return text


def _number(value: Any, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        shown = repr(value) if isinstance(value, str | float) else type_name(value)
        raise BadRowError(f"column {column!r} is not a finite number: {shown}")
    return number


def _scores(row: Row, columns: Columns, role: str, texts: tuple[str, ...]) -> tuple[float, ...]:
    value = row.get(columns[role][0]) if role in columns else None
    values = value if isinstance(value, list) else [] if value is None else [value]
    if values and len(values) != len(texts):
        raise BadRowError(f"column {columns[role][0]!r} has {len(values)} scores for {len(texts)} texts")
    return tuple(_number(item, columns[role][0]) for item in values)


def label_of(value: Any, column: str) -> str:
    """The label in a cell, a whole number as a text.

    Raises:
        BadRowError: There is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) or (isinstance(value, str) and value.strip()):
        return str(value)
    shown = "empty" if value is None or isinstance(value, str) else f"{type_name(value)} where a label belongs"
    raise BadRowError(f"column {column!r} is {shown}")


def _pair_label(row: Row, column: str) -> str:
    value = row.get(column)
    if value in UNLABELLED:
        raise BadRowError(f"column {column!r} says that there is no label: {value!r}")
    return label_of(value, column)


def _labels(row: Row, roles: Roles) -> tuple[str, ...]:
    """All labels of a row, each once: a list's, or one cell's; of several columns each as COLUMN=LABEL."""
    columns, found = roles.columns["label"], dict[str, None]()
    for column in columns:
        value = row.get(column)
        items = value if isinstance(value, list) else [value]
        if isinstance(value, str) and (roles.separator or not value.strip()):
            items = [item.strip() for item in value.split(roles.separator or None) if item.strip()]
        elif value is None:
            if len(columns) == 1:
                raise BadRowError(f"column {column!r} is empty (a row without labels has an empty list)")
            items = []
        for item in items:
            label = label_of(item, column)
            found[label if len(columns) == 1 else f"{column}={label}"] = None
    return tuple(found)


def _inference(table: Table, roles: Roles, reject: Rejects, notes: list[str]) -> Iterator[Example]:
    """Group inference pairs by premise: what it entails is positive, what contradicts it negative."""
    anchor, positive, label = (roles.columns[role][0] for role in ("anchor", "positive", "label"))
    groups: dict[str, tuple[int, dict[str, None], dict[str, None]]] = {}
    unlabelled = 0
    for line, row in table.rows:
        try:
            premise = _text(row.get(anchor), anchor)
            hypothesis = _text(row.get(positive), positive)
            value = row.get(label)
            if value in UNLABELLED:
                unlabelled += 1
                continue
            digit = str(value) if str(value) in ("0", "1", "2") else None
            verdict = int(digit) if digit else NLI.get(str(value).lower())
            if verdict is None:
                raise BadRowError(f"column {label!r} is no inference class: {value!r}")
        except BadRowError as bad:
            reject(str(bad), line, row)
            continue
        group = groups.setdefault(premise, (line, {}, {}))
        if verdict != NLI["neutral"]:
            (group[1] if verdict == NLI["entailment"] else group[2])[hypothesis] = None
    kept = 0
    for premise, (line, positives, negatives) in groups.items():
        if not positives:
            continue
        kept += 1
        if roles.schema == "pairs":
            yield from (Example(premise, (text,), line=line) for text in positives)
        else:
            yield Example(premise, tuple(positives), tuple(negatives), line=line)
    notes.append(
        f"inference pairs grouped by premise (entailment positive, contradiction negative), "
        f"{kept:,} of {len(groups):,} premises entail something"
    )
    if unlabelled:
        notes.append(f"left out for want of a label: {unlabelled:,}")
