"""Association tests (WEAT, SEAT): two sets of targets and two of attributes, as sent-bias hands them out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoint.data.lines import read_lines
from counterpoint.data.types import Rejects
from counterpoint.errors import InputError

_SETS = ("targ1", "targ2", "attr1", "attr2")


@dataclass(frozen=True)
class AssociationTest:
    """Are the first targets nearer the first attributes, and the second nearer the second?

    Attributes:
        name: Such as "weat1" or "sent-weat1".
        sets: Words or sentences: first targets, second targets, first attributes, second attributes.
        categories: What each set is called, such as "Flowers".
    """

    name: str
    sets: tuple[list[str], list[str], list[str], list[str]]
    categories: tuple[str, str, str, str] = ("", "", "", "")


def read_association_tests(source: str | os.PathLike[str]) -> list[AssociationTest] | None:
    """Read association tests; None where the source is something else.

    A file `.jsonl` (`.gz`) has a test a line, `targ1`, `targ2`, `attr1` and `attr2`, each with its `examples` and
    perhaps a `category`; the name stands under `test`, or is that of the file, as in sent-bias, which has a file a
    test. A folder has any number of such files.

    Raises:
        InputError: A set is missing, or has fewer than two texts.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "weat0.jsonl"
        >>> sets = {name: {"category": name, "examples": ["a", "b"]} for name in ("targ1", "targ2", "attr1", "attr2")}
        >>> _ = path.write_text(json.dumps(sets))
        >>> [(test.name, test.sets[0]) for test in read_association_tests(path)]
        [('weat0', ['a', 'b'])]
    """
    path = Path(source)
    if str(source).startswith("hf:") or not path.exists():
        return None
    files = sorted(path.glob("*.jsonl*")) if path.is_dir() else [path]
    tests = [test for file in files for test in _tests(file)]
    return tests or None


def _tests(file: Path) -> list[AssociationTest]:
    if not file.name.endswith((".jsonl", ".jsonl.gz")):
        return []
    found: list[AssociationTest] = []
    # a bad line matters only if the file turns out to be of this kind
    unread = Rejects(os.fspath(file), skip=True)
    for line, text in read_lines(file, unread):
        row = _object(text)
        if not row.keys() & set(_SETS):
            if not found:
                return []  # another kind of file
            raise InputError("not an association test", file=file, line=line, fix="take the row away")
        found.append(_test(row, file, line))
    for bad in unread.rows if found else ():
        raise InputError(bad.reason, file=file, line=bad.line, fix="convert the file to UTF-8")
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _test(row: dict[str, Any], file: Path, line: int) -> AssociationTest:
    sets, categories = [], []
    for name in _SETS:
        given = row.get(name)
        texts = given.get("examples") if isinstance(given, dict) else None
        if not isinstance(texts, list) or len(texts) < 2 or not all(isinstance(t, str) and t.strip() for t in texts):
            raise InputError(f"{name} has no examples, or fewer than two", file=file, line=line, fix="correct the row")
        sets.append(texts)
        categories.append(str(given.get("category", "")) if isinstance(given, dict) else "")
    stem = file.name.removesuffix(".gz").removesuffix(".jsonl")
    return AssociationTest(
        str(row.get("test", stem)),
        (sets[0], sets[1], sets[2], sets[3]),
        (categories[0], categories[1], categories[2], categories[3]),
    )
