"""`read_documents`: what is searched or encoded, with ids, titles and all that is known of each document."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from counterpoint.data.build import BadRowError, build, identified, passage
from counterpoint.data.jsonrows import type_name
from counterpoint.data.layouts import beir_folder, find, open_table
from counterpoint.data.reading import Reading
from counterpoint.data.schema import (
    GENERIC,
    KNOWN_NAMES,
    NAMES,
    ColumnMap,
    Columns,
    given_roles,
    kind,
    missing,
    recognise,
)
from counterpoint.data.tables import FORMATS, Row, Table, nothing_read, plain, read_table, suffix
from counterpoint.data.types import Documents, Progress, Rejects
from counterpoint.errors import InputError
from counterpoint.files import atomic, remove

IDS = (
    *("_id", "id", "docid", "doc_id", "docno", "document_id", "passage_id", "pid", "corpus_id"),
    *("uid", "uuid", "guid"),
)
"""Names of a column of ids, the likeliest first; else any one that ends in `_id` and never repeats."""
TITLES = ("title", "headline", "heading", "doc_title", "document_title")
TEXTS = (
    *GENERIC,
    *("contents", "document", "doc", "document_text", "doc_text", "passage", "passage_text", "context"),
    *("abstract", "description", "summary"),
)
_ROLES = ("id", "title", "text")
_ALIAS = {"anchor": "text", "query": "text"}
_PAIRED = {name for role in ("anchor", "positive", "negative", "prompt") for name in NAMES[role]} - set(TEXTS)
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,2})?")
_TRUTH = {"true": True, "false": False}
_DELIMITED = {"csv", "tsv"}


def read_documents(
    source: str | os.PathLike[str],
    *,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    split: str | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    anchors: bool = False,
) -> Documents:
    """Read the documents of anything that `read` reads, with their own ids and columns where they have any.

    A table is a corpus where it has a text, perhaps a title, and no second text that belongs to it as an answer
    belongs to a question. Its ids stay as they are (numbers become texts), title and text are joined by a space, and
    every other column of texts, numbers or truth values is kept. A BEIR folder, or a folder with a `corpus.jsonl`,
    gives its corpus. Everything else is read as `read` does: of pairs and tuples, the distinct positives are the
    documents. Without ids of their own, documents are "d0", "d1", ..., and rows that are equal in all columns are one.

    Args:
        source: What to read.
        columns: Role -> column name or number. The roles `id`, `title` and `text` (one or several) say how to read a
            corpus; those of `read` how to read pairs.
        schema: As for `read`; if given, the source is read that way.
        split: As for `read`.
        skip_bad: Leave bad rows out and list them in `.rejected`, instead of raising at the first.
        progress: As for `read`.
        anchors: Take of everything that is no corpus the anchors, one a row: what a model encodes.

    Raises:
        InputError: Anything the user can correct, with file and line, such as an id that occurs twice.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tools.csv"
        >>> _ = path.write_text("id,title,text,year\\n007,Vim,an editor of text,1991\\n008,,a compiler,1987\\n")
        >>> documents = read_documents(path)
        >>> documents.ids, documents.texts, documents.columns
        (['007', '008'], ['Vim an editor of text', 'a compiler'], {'year': [1991, 1987]})
    """
    name = os.fspath(source)
    reject = Rejects(name, skip_bad)
    known = [*KNOWN_NAMES, *IDS, *TITLES, *TEXTS]
    by_id = None
    if corpus := _corpus_file(name):
        Reading(split=split).check(name, "a corpus")
        reject = reject.at(corpus)
        table = read_table(corpus, reject, known, progress)
    else:
        table, by_id = open_table(name, known, columns, split, reject, progress)
    roles = None if schema else corpus_roles(table, name, columns or {})
    if roles is not None:
        return _collect(table, roles, name, reject, typed=_typed(corpus or Path(name)), once=not anchors)
    data = build(table, recognise(table, name, columns, schema), name, reject, by_id)
    found = [(e.line, text) for e in data.examples for text in ((e.anchor,) if anchors else e.positives or (e.anchor,))]
    kept = found if anchors else [(line, text) for text, line in _firsts(found).items()]
    ids = [f"d{i}" for i in range(len(kept))]
    notes = (*data.notes, *_copies(len(found) - len(kept), "text"))
    if anchors and any(e.prompt for e in data.examples):
        notes = (*notes, "the rows' prompts are not put before the texts, only the one of the model or of --prompt")
    lines = [line for line, _ in kept]
    roles_said = {"text": data.columns["anchor"]} if anchors else data.columns
    return Documents(ids, [text for _, text in kept], {}, name, notes, reject.rows, lines, roles_said)


def kept_rows(documents: Documents) -> list[dict[str, Any]] | None:
    """Which row of the source each document is, where that is not plain: the line, and the id if the source has ids.

    None where the documents have no ids of their own, none was left out, and their lines follow one another.

    Examples:
        >>> kept_rows(Documents(["d0", "d1"], ["one", "three"], {}, "a.txt", lines=[1, 3]))
        [{'row': 0, 'line': 1}, {'row': 1, 'line': 3}]
        >>> kept_rows(Documents(["d0", "d1"], ["one", "two"], {}, "a.txt", lines=[1, 2])) is None
        True
    """
    own = "id" in documents.roles
    lines = documents.lines
    plain = not documents.rejected and lines == list(range(lines[0], lines[0] + len(lines)))
    if plain and not own:
        return None
    rows = ({"row": i, "line": line, "id": key} for i, (line, key) in enumerate(zip(lines, documents.ids, strict=True)))
    return [row if own else {name: row[name] for name in ("row", "line")} for row in rows]


def write_rows(documents: Documents, vectors: str | os.PathLike[str]) -> Path | None:
    """Write `kept_rows` beside a file of vectors, as VECTORS.rows.jsonl, and say where; None if there is no need.

    An older such file is removed then, so that none speaks of other vectors.

    Examples:
        >>> import tempfile
        >>> vectors = Path(tempfile.mkdtemp()) / "z.npy"
        >>> rows = write_rows(Documents(["a"], ["text"], {}, "a.csv", lines=[2], roles={"id": "id"}), vectors)
        >>> rows.name, rows.read_text()
        ('z.npy.rows.jsonl', '{"row": 0, "line": 2, "id": "a"}\\n')
    """
    path = Path(vectors)
    path = path.with_name(path.name + ".rows.jsonl")
    rows = kept_rows(documents)
    if rows is None:
        remove(path)
        return None
    with atomic(path) as part, part.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def corpus_roles(table: Table, file: str, given: ColumnMap) -> Columns | None:
    """The columns of id, title and text, if a table is a corpus; else None.

    By the caller's word, then by name. A file that names no columns has ids where the first of two columns never
    repeats and holds whole numbers or names.

    Raises:
        InputError: A column is named that is not there.

    Examples:
        >>> corpus_roles(Table(("docid", "title", "text", "url"), iter([])), "a.csv", {})
        {'id': ('docid',), 'title': ('title',), 'text': ('text',)}
        >>> corpus_roles(Table(("id", "question", "answer"), iter([])), "a.csv", {}) is None
        True
    """
    if given.keys() - _ALIAS.keys() - set(_ROLES):
        return None
    roles = given_roles(table, file, given, _ROLES, _ALIAS)
    if not table.named:
        if not roles and len(table.columns) == 2 and _numbered(table):
            roles = {"id": table.columns[:1], "text": table.columns[1:]}
        return roles if "text" in roles else None
    kinds = {c: kind([row.get(c) for row in table.sample]) for c in table.columns}
    every: dict[str, str] = {}
    for column, what in kinds.items():
        if what != "object":
            every.setdefault(plain(column), column)
    paired = [] if roles else [column for name, column in every.items() if name in _PAIRED]
    if len(paired) > 1 or (paired and every.keys() & set(TEXTS)):
        return None
    taken = {column for several in roles.values() for column in several}
    names = {name: column for name, column in every.items() if column not in taken and kinds[column] != "list"}
    if "id" not in roles and (one := _id_column(table, names)):
        roles["id"] = (one,)
    if "text" not in roles:
        title = roles.get("title") or tuple(names[name] for name in TITLES if name in names)[:1]
        text = paired[0] if paired else _first(names, TEXTS) or _only_text(table, kinds, roles, title)
        if text is None and title:
            text, title = title[0], ()
        if text is None and given:
            missing("text", table, file)
        if text is None or (text not in names.values() and "id" not in roles):
            return None
        roles |= {"title": title, "text": (text,)}
    return {role: roles[role] for role in _ROLES if roles.get(role)}


def _corpus_file(name: str) -> Path | None:
    """The corpus of a BEIR folder or of judgements in one."""
    path = Path(name)
    if name.startswith("hf:") or not (path.is_dir() or path.name.startswith("qrels") or path.parent.name == "qrels"):
        return None
    return find(beir_folder(path), "corpus")


def _first(names: dict[str, str], known: Sequence[str]) -> str | None:
    return next((names[name] for name in known if name in names), None)


def _only_text(table: Table, kinds: dict[str, str], roles: Columns, title: tuple[str, ...]) -> str | None:
    """The one column of texts beside an id, longer than the title if there is one (and so no author's name)."""
    others = [c for c in kinds if kinds[c] == "text" and c not in (*title, *roles.get("id", ()))]
    if "id" not in roles or len(others) != 1:
        return None
    lengths = [sum(len(str(row.get(c) or "")) for row in table.sample) for c in (*others, *title)]
    return others[0] if lengths[0] == max(lengths) else None


def _id_column(table: Table, names: dict[str, str]) -> str | None:
    if (one := _first(names, IDS)) is not None:
        return one
    several = [column for name, column in names.items() if name.endswith("_id")]
    return several[0] if len(several) == 1 and _distinct(table, several[0]) else None


def _distinct(table: Table, column: str) -> bool:
    cells = [row.get(column) for row in table.sample]
    return None not in cells and len(set(map(str, cells))) == len(cells) > 1


def _numbered(table: Table) -> bool:
    """Whether the first of two columns holds ids and the second texts, as in a collection.tsv."""
    first, second = ([row.get(column) for row in table.sample] for column in table.columns)
    names = all(_WHOLE.fullmatch(str(cell)) for cell in first) or kind(first) == "id"
    return names and _distinct(table, table.columns[0]) and kind(second) == "text"


def _typed(path: Path) -> bool:
    """Whether a file's cells have types; those of CSV and TSV are all texts."""
    return FORMATS.get(suffix(path)) not in _DELIMITED


def _collect(table: Table, roles: Columns, source: str, reject: Rejects, *, typed: bool, once: bool) -> Documents:
    """The documents of a corpus; `once`: rows without ids of their own that are equal are one."""
    parts = (*roles.get("title", ()), *roles["text"])
    used = {column for several in roles.values() for column in several}
    rows = identified(table.rows, roles["id"][0], parts, reject) if "id" in roles else _unnamed(table, parts, reject)
    ids: list[str] = []
    texts: list[str] = []
    lines: list[int] = []
    cells: dict[str, list[Any]] = {}
    seen: set[Any] = set()
    copies = 0
    for line, key, text, row in rows:
        others = {column: cell for column, cell in row.items() if column not in used}
        if once and "id" not in roles:
            whole = (text, *sorted((column, repr(cell)) for column, cell in others.items()))
            if whole in seen:
                copies += 1
                continue
            seen.add(whole)
        for column in others.keys() - cells.keys():
            cells[column] = [None] * len(ids)
        for column, several in cells.items():
            several.append(others.get(column))
        ids.append(key or f"d{len(ids)}")
        texts.append(text)
        lines.append(line)
    if not ids:
        raise InputError(nothing_read(reject, "no row can be used"), file=source, fix="check the columns (--column)")
    columns: dict[str, list[Any]] = {}
    unread: list[str] = []
    notes = [*table.notes, *_copies(copies, "row")]
    for column in sorted(cells, key=[*table.columns, *cells].index):
        values, why = _column(cells.pop(column), typed) if column else ([], "(without a name)")
        if values:
            columns[column] = values
        if why:
            (notes if values else unread).append(f"{column!r} {why}")
    if unread:
        notes.append("not read: " + ", ".join(unread))
    said = {role: ", ".join(several) for role, several in roles.items()}
    return Documents(ids, texts, columns, source, tuple(notes), reject.rows, lines, said)


def _unnamed(table: Table, parts: Sequence[str], reject: Rejects) -> Iterator[tuple[int, str, str, Row]]:
    for line, row in table.rows:
        try:
            text = passage(row, parts)
        except BadRowError as bad:
            reject(str(bad), line, row)
            continue
        yield line, "", text, row


def _firsts(found: Sequence[tuple[int, str]]) -> dict[str, int]:
    """Each distinct text and the line it first came from."""
    first: dict[str, int] = {}
    for line, text in found:
        first.setdefault(text, line)
    return first


def _copies(count: int, noun: str) -> list[str]:
    if not count:
        return []
    return [f"{count:,} {noun}{'s' * (count > 1)} equal to an earlier one left out"]


def _column(cells: list[Any], typed: bool) -> tuple[list[Any], str]:
    """A column's values in one type, and what is to be said of them; no values where they are not read."""
    cells = [_scalar(cell) for cell in cells]
    there = [cell for cell in cells if cell is not None]
    if not there:
        return [], "(empty)"
    if any(isinstance(cell, str) and _broken(cell) for cell in there):
        return [], "(half of a character, a surrogate)"
    if odd := [cell for cell in there if not isinstance(cell, str | int | float)]:
        return [], f"({type_name(odd[0])})"
    types = {type(cell) for cell in there}
    if types <= {int, float} and not all(map(_held, there)):
        return [None if cell is None else str(cell) for cell in cells], "holds numbers beyond 64 bits, kept as texts"
    if types == {str} and not typed:
        return _parsed(cells), ""
    if len(types) > 1 and types != {int, float}:
        return [None if cell is None else str(cell) for cell in cells], "holds several types, kept as texts"
    return cells, ""


def _held(cell: float) -> bool:
    """Whether a number is finite and within 64 bits."""
    return abs(cell) < (2**63 if isinstance(cell, int) else math.inf)


def _broken(cell: str) -> bool:
    return not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell)


def _scalar(cell: Any) -> Any:
    """Dates as texts (ISO 8601), decimals as numbers, NaN as missing."""
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, decimal.Decimal):
        cell = float(cell)
    return None if isinstance(cell, float) and cell != cell else cell


def _parsed(cells: list[Any]) -> list[Any]:
    """Cells of a text file as the numbers or truth values that all of them are; empty is then missing.

    Examples:
        >>> _parsed(["1", "", "-20"]), _parsed(["1.5", "2"]), _parsed(["true", "False"]), _parsed(["007", "1"])
        ([1, None, -20], [1.5, 2.0], [True, False], ['007', '1'])
    """
    there = [cell.strip() for cell in cells if cell and cell.strip()]
    convert: Callable[[str], Any]
    if not there:
        return cells
    if all(map(_WHOLE.fullmatch, there)):
        convert = int
    elif all(map(_DECIMAL.fullmatch, there)):
        convert = float
    elif all(cell.lower() in _TRUTH for cell in there):
        convert = _truth
    else:
        return cells
    return [convert(cell.strip()) if cell and cell.strip() else None for cell in cells]


def _truth(cell: str) -> bool:
    return _TRUTH[cell.lower()]
