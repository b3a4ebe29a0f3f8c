"""Conditions on the columns of documents: one small language, the same for SQLite and Milvus."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from counterpoint.errors import InputError, refuse_string

Scalar = str | int | float | bool | None
Where = Sequence[str | tuple[str, str, Any]]
Kind = Literal["text", "number", "bool"]
Kinds = Mapping[str, frozenset[Kind]]
"""Which kinds of values each column has; a column may have several, or none yet."""

OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">", "in")
_CONDITION = re.compile(r"\s*(!=|<=|>=|==|=|<|>|(?:(?<=\s)|^)in(?=\s))\s*(.*?)\s*", re.DOTALL)
_MANY = 10_000  # values in one list


@dataclass(frozen=True, slots=True)
class Condition:
    """`column operator values`: one value, but for `in`. All values are of one kind."""

    column: str
    operator: str
    kind: Kind
    values: tuple[Any, ...]


def kind_of(value: Scalar, place: str) -> Kind | None:
    """The kind of a column's value; None for a missing one.

    Raises:
        InputError: It is no scalar, not finite, an integer beyond 64 bits, or text that UTF-8 cannot hold.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        check_text(value, place)
        return "text"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InputError(f"{place} is {value}, beyond 64 bits", fix="write it as a string")
        return "number"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{place} is {value}", fix="give None where there is no value")
        return "number"
    raise InputError(f"{place} is of type {type(value).__name__}", fix="give a string, a number, True, False or None")


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def check_text(text: object, place: str) -> None:
    """Refuse what is not a string, and half a surrogate pair, which no file can hold."""
    if not isinstance(text, str):
        raise InputError(f"{place} is of type {type(text).__name__}, not a string", fix="convert or remove it")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{place} holds half a surrogate pair at character {error.start}", fix="read it with its right encoding"
            ) from error


def conditions(where: Where | None, kinds: Kinds) -> tuple[Condition, ...]:
    """What `where` asks for, checked against the columns there are.

    Raises:
        InputError: A condition is not understood, its column is unknown, or its value is of a kind that the
            column does not have.

    Examples:
        >>> kinds = {"lang": frozenset({"text"}), "year": frozenset({"number"})}
        >>> conditions(["lang = en", ("year", ">=", 1990)], kinds)[1]
        Condition(column='year', operator='>=', kind='number', values=(1990,))
        >>> conditions(["lang in en, de"], kinds)[0].values
        ('en', 'de')
    """
    if where is None:
        return ()
    refuse_string(where, "where")
    return tuple(c for item in where for c in (_condition(item, kinds),) if c is not None)


def _condition(item: str | tuple[str, str, Any], kinds: Kinds) -> Condition | None:
    if isinstance(item, str):
        column, operator, raw = _split(item, kinds)
        values = [_read(part, kinds[column], column) for part in (raw.split(",") if operator == "in" else [raw])]
    else:
        if not (isinstance(item, (tuple, list)) and len(item) == 3):
            raise _bad(repr(item))
        column, operator, value = item
        if operator not in OPERATORS:
            raise _bad(repr(item))
        _known(column, kinds)
        if operator == "in":
            refuse_string(value, "the values after in")
        given = list(value) if operator == "in" and isinstance(value, Iterable) else [value]
        values = [plain(v) for v in given]
    if not values or len(values) > _MANY:
        raise InputError(f"{len(values):,} values for {column}", fix=f"give from 1 to {_MANY:,}")
    operator = "=" if operator == "==" else operator
    found = {kind_of(value, f"the value for {column}") for value in values}
    if None in found or len(found) > 1:
        raise InputError(f"{values!r} cannot be compared with {column}", fix="give values of one kind")
    (kind,) = found
    assert kind is not None
    if kinds[column] and kind not in kinds[column]:
        raise _other_kind(column, kinds[column], values[0])
    if kind == "bool" and operator not in ("=", "!=", "in"):
        raise InputError(f"true and false have no order: {column} {operator}", fix="use = or !=")
    return Condition(column, operator, kind, tuple(values))


def _split(text: str, kinds: Kinds) -> tuple[str, str, str]:
    """Column, operator and value; a column that is known is found whatever its name."""
    stripped = text.strip()
    for column in sorted(kinds, key=len, reverse=True):
        if stripped.startswith(column) and (match := _CONDITION.fullmatch(stripped[len(column) :])):
            return column, match[1], match[2]
    for place in range(1, len(stripped)):
        if match := _CONDITION.fullmatch(stripped[place:]):
            _known(stripped[:place].strip(), kinds)
    raise _bad(repr(text))


def _read(raw: str, kinds: frozenset[Kind], column: str) -> Scalar:
    """A value written as text, as what the column holds."""
    raw = raw.strip()
    if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
        return raw[1:-1]
    if "bool" in kinds and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    if "number" in kinds:
        for number in (int, float):
            try:
                return number(raw)
            except ValueError:
                continue
    if "text" in kinds or not kinds:
        return raw
    raise _other_kind(column, kinds, raw)


def _known(column: object, kinds: Kinds) -> None:
    if not kinds:
        raise InputError(
            f"there is no column {column!r}: the documents of this index have none",
            fix="leave the condition out, or index documents with columns (see counterpoint index --help)",
        )
    if column not in kinds:
        raise InputError(f"there is no column {column!r}", fix=f"the columns are {', '.join(sorted(kinds)) or 'none'}")


def _bad(shown: str) -> InputError:
    return InputError(
        f"{shown} is not a condition", fix="write, for example, 'lang = en', 'year >= 1990' or 'lang in en, de'"
    )


def _other_kind(column: str, kinds: frozenset[Kind], value: object) -> InputError:
    words = {"text": "text", "number": "numbers", "bool": "true and false"}
    return InputError(
        f"the column {column} holds {' and '.join(words[k] for k in sorted(kinds))}, and {value!r} is not that",
        fix="give a value of that kind",
    )


def to_sql(condition: Condition, column: str) -> tuple[str, list[Any]]:
    """As SQL over the column of a table, with its parameters. A document without the column never passes."""
    marks = ", ".join("?" * len(condition.values))
    if condition.operator == "in":
        text = f"{column} IN ({marks})"
    elif condition.operator == "!=":
        text = f"{column} != ?"
    else:
        # SQLite puts every number below every text
        types = {"number": "('integer', 'real')", "text": "('text')", "bool": "('blob')"}[condition.kind]
        text = f"typeof({column}) IN {types} AND {column} {condition.operator} ?"
    return f"({text})", [to_cell(value) for value in condition.values]


def to_cell(value: Scalar) -> Any:
    """What stands for a value in SQLite, which knows no truth values: b"\\x01" and b"\\x00"."""
    return (b"\x01" if value else b"\x00") if isinstance(value, bool) else value


def from_cell(cell: Any) -> Scalar:
    """The value that `to_cell` stored."""
    return cell == b"\x01" if isinstance(cell, bytes) else cell


def to_milvus(condition: Condition, field: str) -> str:
    """As an expression of Milvus over the JSON field that holds the columns.

    Raises:
        InputError: A name or value has a quote or a backslash, which its expressions cannot hold safely.
    """
    for text in (condition.column, *(v for v in condition.values if isinstance(v, str))):
        if re.search(r"[\"'\\\x00-\x1f]", text):
            raise InputError(f"Milvus cannot filter by {text!r}", fix="use values without quotes and backslashes")
    name = f'{field}["{condition.column}"]'
    values = [json.dumps(value, ensure_ascii=False) for value in condition.values]
    if condition.operator == "in":  # Milvus has it for fields, not always for what is within JSON
        return f"({' or '.join(f'{name} == {value}' for value in values)})"
    return f"{name} {'==' if condition.operator == '=' else condition.operator} {values[0]}"
