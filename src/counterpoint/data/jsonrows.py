"""JSON to rows: an object, an array or a text a line, or one array of them all, each with its line."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterpoint.data.lines import read_lines
from counterpoint.data.types import Progress, Rejects
from counterpoint.errors import InputError

Row = dict[str, Any]
Lines = Iterator[tuple[int, str]]
_GAP = re.compile(r"[\s,]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{},]')  # a string ends with its line: JSON has no line breaks in strings
_FIX = "correct the row (one JSON object a line, or one array of objects)"


def json_rows(path: Path, reject: Rejects, progress: Progress | None) -> Iterator[tuple[int, Row]]:
    """(line, row) of a JSON file: of a row a line, or of one array over any number of lines.

    Rows that are arrays or texts have the columns "1", "2", ... The number of a row is the line where it begins; in
    an array with several rows in its first line, its number in the array.

    Args:
        path: The file, gzipped or not.
        reject: Called with every row that cannot be read.
        progress: Called with the bytes read and the total.

    Raises:
        InputError: An array, or a row of one, never closes, or something follows it.
    """
    filled = ((number, line) for number, line in read_lines(path, reject, progress) if line.strip())
    head = list(itertools.islice(filled, 2))
    if head and (whole := _is_object(*(line for _, line in head))):
        fix = "give its array of rows alone, or one object a line"
        raise InputError(f"one object {whole} where rows belong", file=path, line=head[0][0], fix=fix)
    lines: Lines = itertools.chain(head, filled)
    values = (
        _array(lines, path, reject) if head and _is_array(path, *(line for _, line in head)) else _each(lines, reject)
    )
    for number, value in values:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list):
            value = {str(i): cell for i, cell in enumerate(value, 1)}
        if isinstance(value, dict):
            yield number, value
        else:
            reject(f"{type_name(value)} where an object belongs", number, value)


def _is_array(path: Path, first: str, second: str = "") -> bool:
    """Whether a file whose first lines these are is one array of rows, not rows that are arrays themselves.

    Examples:
        >>> where = Path("a.json")
        >>> _is_array(where, "["), _is_array(where, '[{"text": "a"},'), _is_array(where, '["a", "b"]')
        (True, True, True)
        >>> _is_array(where, '["a", "b"]', '["c", "d"]'), _is_array(Path("a.jsonl"), '["a", "b"]')
        (False, False)
    """
    body = first.strip()
    if not body.startswith("["):
        return False
    if body[1:].lstrip()[:1] in ("", "{", "["):
        return True
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body.endswith(",")
    return not second and (not value or re.search(r"\.(jsonl|ndjson)\b", path.name.lower()) is None)


def _is_object(first: str, second: str = "") -> str:
    """How a file whose first lines these are is one object with all rows within; empty if it is not.

    Examples:
        >>> _is_object("{", '"data": ['), _is_object('{"data": [{"text": "a"}, {"text": "b"}]}')
        ('over several lines', "with a list of objects, 'data',")
        >>> _is_object('{"text": "a"}', '{"text": "b"}'), _is_object('{"text": "a"}')
        ('', '')
    """
    if first.strip() == "{" and second.lstrip()[:1] == '"':
        return "over several lines"
    try:
        value = None if second or not first.lstrip().startswith("{") else json.loads(first)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict) or len(value) != 1:
        return ""
    ((name, rows),) = value.items()
    several = isinstance(rows, list) and len(rows) > 1 and all(isinstance(row, dict) for row in rows)
    return f"with a list of objects, {name!r}," if several else ""


def _each(lines: Lines, reject: Rejects) -> Iterator[tuple[int, Any]]:
    """The value of each line."""
    for number, line in lines:
        if (parsed := _parse(line.rstrip("\r\n"), [number], 0, number, reject)) is not None:
            yield number, parsed[0]


def _array(lines: Lines, path: Path, reject: Rejects) -> Iterator[tuple[int, Any]]:
    """The elements of an array, read one after another; commas between them may be missing or too many."""
    decoder = json.JSONDecoder()
    number, line = next(lines)
    at = line.index("[") + 1
    shared = _several(decoder, line, at)
    for count in itertools.count(1):
        while (at := _end(_GAP, line, at)) == len(line):
            last = number
            number, line = next(lines, (0, ""))
            at = 0
            if not number:
                what = "the array breaks off after this line"
                raise InputError(what, file=path, line=last, fix="fetch or write it again")
        if line[at] == "]":
            break
        where = count if shared else number
        try:
            value, at = decoder.raw_decode(line, at)
        except (ValueError, RecursionError):  # broken, or it goes on in the next line
            begin, depth = at, 0
            texts: list[str] = []
            numbers: list[int] = []
            while True:
                depth, at, done = _scan(line, at, depth)
                texts.append(line[begin if not texts else 0 : at])
                numbers.append(number)
                if done:
                    break
                number, line = next(lines, (0, ""))
                at = 0
                if not number:
                    what, fix = "what begins in this line never ends", "close it, or fetch the file again"
                    raise InputError(what, file=path, line=numbers[0], fix=fix) from None
            if (parsed := _parse("".join(texts), numbers, begin, where if shared else 0, reject)) is None:
                continue
            value = parsed[0]
        yield where, value
    if line[at + 1 :].strip() or (number := next(lines, (0, ""))[0]):
        fix = "give one array, or one object a line"
        raise InputError("something follows the end of the array", file=path, line=number, fix=fix)


def _several(decoder: json.JSONDecoder, line: str, at: int) -> bool:
    """Whether a second element begins in the line where the first does."""
    try:
        _, at = decoder.raw_decode(line, _end(_GAP, line, at))
    except (ValueError, RecursionError):
        return False
    at = _end(_GAP, line, at)
    return at < len(line) and line[at] != "]"


def _end(pattern: re.Pattern[str], line: str, at: int) -> int:
    match = pattern.match(line, at)
    assert match is not None
    return match.end()


def _scan(line: str, at: int, depth: int) -> tuple[int, int, bool]:
    """How deep brackets are open where an element or else the line ends, where that is, and whether it is the first."""
    for token in _TOKEN.finditer(line, at):
        mark = token[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            if depth <= 1:
                return 0, token.end() if depth or mark == "}" else token.start(), True
            depth -= 1
        elif mark == "," and not depth:
            return 0, token.start(), True
    return depth, len(line), False


def _parse(text: str, numbers: list[int], begin: int, where: int, reject: Rejects) -> tuple[Any] | None:
    """The value of a JSON text that begins at column `begin` of the first of these lines; None if it is rejected."""
    try:
        return (json.loads(text),)
    except json.JSONDecodeError as error:
        line = numbers[min(error.lineno, len(numbers)) - 1]
        column = error.colno + (begin if error.lineno == 1 else 0)
        reject(f"broken JSON at column {column}: {error.msg}", where or line, text, _FIX)
    except (ValueError, RecursionError) as error:  # a number or a nesting without end
        reject(f"JSON that cannot be read: {error}", where or numbers[0], text)
    return None


def type_name(value: Any) -> str:
    """What a JSON value is called in a message.

    Examples:
        >>> type_name(3), type_name(None), type_name([1])
        ('a number', 'nothing', 'a list')
    """
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    names |= {list: "a list", dict: "an object", type(None): "nothing", bytes: "bytes"}
    return names.get(type(value), type(value).__name__)
