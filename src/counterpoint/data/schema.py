"""Which column is the anchor, a positive, a negative, a score or a label, and which schema that makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from counterpoint.data.tables import Table, is_number, plain
from counterpoint.data.types import SCHEMAS, Schema
from counterpoint.errors import InputError

ColumnMap = Mapping[str, str | int | Sequence[str | int]]
Columns = dict[str, tuple[str, ...]]

# The names each role goes by (lower case, underscores), the likeliest first.
NAMES: dict[str, tuple[str, ...]] = {
    "anchor": (
        *("anchor", "query", "query_text", "question", "premise", "sent0", "src_text"),
        *("sentence1", "text1", "sentence_1", "text_1", "sentence_a", "text_a", "question1"),
    ),
    "positive": (
        *("positive", "positives", "pos", "positive_passages", "positive_document_ids"),
        *("answer", "answers", "response", "hypothesis", "sent1", "tgt_text"),
        *("sentence2", "text2", "sentence_2", "text_2", "sentence_b", "text_b", "question2"),
        *("document", "doc", "document_text", "passage", "context", "description", "abstract"),
        *("summary", "output", "completion", "translation"),
    ),
    "negative": (
        *("negative", "negatives", "neg", "negative_passages", "negative_document_ids"),
        *("hard_neg", "hard_negative", "hard_negatives"),
    ),
    "score": ("score", "similarity", "similarity_score", "sim", "relatedness", "relatedness_score"),
    "label": ("label", "labels", "gold_label", "class", "is_duplicate", "label_text"),
    "pair_label": ("pair_label",),
    "pos_scores": ("pos_scores", "pos_score"),
    "neg_scores": ("neg_scores", "neg_score"),
    "prompt": ("prompt", "instruction"),
}
NUMBERED = {
    "positive": re.compile(r"(positive|pos)_?\d+"),
    "negative": re.compile(r"(negative|neg|hard_negative|hard_neg)_?\d+"),
}
GENERIC = ("text", "sentence", "content", "body", "utterance")
TOPICS = ("category", "intent", "topic")  # labels only where there is a single text
SETS = ("tags", "categories", "intents", "topics", "genres", "keywords", "emotions")  # and only if they are lists
SEPARATORS = ("|", ";", ",")  # of labels in one cell, the first that occurs
KNOWN_NAMES = frozenset((*GENERIC, *TOPICS, "title", "_id", *(name for names in NAMES.values() for name in names)))
_METADATA = re.compile(r"(.*_)?(id|ids|idx|index|uid|guid|docid|qid|url|split|genre|date|language)")
_TEXT_ROLES = {"anchor", "positive", "negative"}
_READS: dict[Schema, tuple[str, ...]] = {
    "texts": ("anchor", "positive", "negative"),
    "pairs": ("anchor", "positive", "prompt", "pair_label"),
    "tuples": ("anchor", "positive", "negative", "pos_scores", "neg_scores", "prompt"),
    "scored": ("anchor", "positive", "score"),
    "labelled": ("anchor", "label"),
}
_NEEDS: dict[Schema, tuple[str, ...]] = {
    "texts": ("anchor",),
    "pairs": ("anchor", "positive"),
    "tuples": ("anchor", "positive"),
    "scored": ("anchor", "positive", "score"),
    "labelled": ("anchor", "label"),
}
NLI = {"entailment": 0, "neutral": 1, "contradiction": 2}
UNLABELLED = (None, "", "-", "-1", -1)  # an inference pair the annotators did not agree on


@dataclass(frozen=True)
class Roles:
    """Which columns play which role (in order), and the schema that makes.

    `nli` is set where pairs carry an inference label, to be grouped by premise; `sets` where the labels of a text are a
    set: a cell holds a list, or there are several columns of labels, or the caller says so (`separator` then divides
    the labels of a cell that is a text; "": nothing does).
    """

    schema: Schema
    columns: Columns
    nli: bool = False
    sets: bool = False
    separator: str = ""


def recognise(table: Table, file: str, given: ColumnMap | None = None, schema: str | None = None) -> Roles:
    """Find the roles of a table's columns: by the caller's word, then by name, then by content.

    Args:
        table: The rows; only its `columns` and `sample` are looked at.
        file: What to name in an error.
        given: Role -> column name, or its number from 1, or several of them. If it names a text role
            (anchor, positive, negative), only what it names is read; else the texts are found as usual.
        schema: The schema to read the table as, whatever it seems to be.

    Raises:
        InputError: A column is missing, or what there is cannot be told apart.

    Examples:
        >>> table = Table(("id", "score", "sentence1", "sentence2"), iter([]))
        >>> recognise(table, "a.tsv").columns
        {'anchor': ('sentence1',), 'positive': ('sentence2',), 'score': ('score',)}
    """
    if schema is not None and schema not in SCHEMAS:
        raise InputError(f"unknown schema {schema!r}", fix=f"choose one of {', '.join(SCHEMAS)}")
    kinds = {column: kind([row.get(column) for row in table.sample]) for column in table.columns}
    roles = given_roles(table, file, given or {})
    if not roles.keys() & _TEXT_ROLES:
        found = _by_name(kinds) if table.named else {}
        if "anchor" not in found:
            found = _by_content(table, kinds, file, found)
        roles = found | roles
    found_roles = _decide(roles, table, kinds, file, schema)
    if "labels" not in (given or {}) or found_roles.schema != "labelled":
        return found_roles
    cells = [row.get(column) for row in table.sample for column in roles["label"]]
    divided = next((mark for mark in SEPARATORS if any(isinstance(cell, str) and mark in cell for cell in cells)), "")
    return replace(found_roles, sets=True, separator=divided)


def given_roles(
    table: Table,
    file: str,
    given: ColumnMap,
    known: Iterable[str] = NAMES,
    alias: Mapping[str, str] = {"text": "anchor", "query": "anchor", "labels": "label"},
) -> Columns:
    """Role -> columns as the caller names them, by name or by number from 1.

    Raises:
        InputError: A role or a column that is not there.
    """
    roles: Columns = {}
    for name, value in given.items():
        role = alias.get(name, name)
        if role not in known:
            raise InputError(f"unknown role {name!r}", fix=f"choose one of {', '.join(known)}")
        for column in (value,) if isinstance(value, str | int) else value:
            if column not in table.columns:
                number = int(column) if str(column).isdecimal() else 0
                if not 1 <= number <= len(table.columns):
                    missing(role, table, file, column)
                column = table.columns[number - 1]
            roles[role] = (*roles.get(role, ()), str(column))
    return roles


def missing(role: str, table: Table, file: str, column: str | int | None = None) -> NoReturn:
    """Say that there is no column for a role, or none of a name."""
    what = f"no column for the {role}" if column is None else f"no column {column!r}"
    raise InputError(
        f"{what} (the columns are {', '.join(table.columns)})",
        file=file,
        fix=f"say which it is: columns={{'{role}': NAME}} (--column {role}=NAME)",
    )


def _by_name(kinds: Mapping[str, str]) -> Columns:
    names: dict[str, str] = {}
    for column, what in kinds.items():
        if what != "object":  # answers with their offsets, a question's metadata
            names.setdefault(plain(column), column)
    roles: Columns = {}
    for role, known in NAMES.items():
        hits = [names[name] for name in known if name in names][:1]
        if role in NUMBERED:
            hits += [column for name, column in names.items() if NUMBERED[role].fullmatch(name)]
        if hits:
            roles[role] = tuple(hits)
    texts, title = [names[name] for name in GENERIC if name in names], names.get("title")
    if "anchor" not in roles:
        if title and "label" not in roles:
            roles["anchor"] = (title,)
        elif texts or title:  # of several texts without a title, or beside a label, the first
            roles["anchor"] = (texts[0] if texts else str(title),)
            texts = []
        elif "prompt" in roles:  # prompt and response
            roles["anchor"] = roles.pop("prompt")
    if "anchor" in roles and texts and not roles.keys() & {"positive", "label"}:
        roles["positive"] = (texts[0],)
    lists = [names[name] for name in SETS if name in names and kinds[names[name]] == "list"]
    topic = next((names[name] for name in TOPICS if name in names), lists[0] if lists else None)
    if topic and not roles.keys() & {"label", "positive", "score"}:
        roles["label"] = (topic,)
    return roles


def kind(cells: Sequence[Any]) -> str:
    """What a column holds, by majority: "number", "label", "text", "list", "object", "id", "other" or "empty".

    Examples:
        >>> kind(["pos", "neg", "pos", "neg"]), kind(["2.5", "nan", "0"]), kind(["a cat", "a dog"])
        ('label', 'number', 'text')
    """
    cells = [cell for cell in cells if cell is not None and cell != ""]
    if not cells:
        return "empty"
    for what, type_ in (("list", list), ("object", dict)):
        if sum(isinstance(cell, type_) for cell in cells) > len(cells) / 2:
            return what
    if sum(is_number(cell) for cell in cells) > 0.9 * len(cells):
        return "number"
    texts = [cell for cell in cells if isinstance(cell, str)]
    if len(texts) <= len(cells) / 2:
        return "other"
    distinct = set(texts)
    if len(distinct) <= len(texts) / 2 and sum(len(t.split()) for t in texts) <= 3 * len(texts):
        return "label"
    bare = len(distinct) == len(texts) and not any(re.search(r"\s", text) for text in distinct)
    return "id" if bare and any(re.search(r"[\d/]", text) for text in distinct) else "text"


def _by_content(table: Table, kinds: Mapping[str, str], file: str, found: Columns) -> Columns:
    used = {column for columns in found.values() for column in columns}
    values = {c: [str(row.get(c)) for row in table.sample] for c in table.columns if c not in used}
    free = [c for c in values if not (table.named and _METADATA.fullmatch(plain(c)))]
    texts = [c for c in free if kinds[c] in ("text", "list")]
    labels = [c for c in free if kinds[c] == "label"]
    if not texts and labels and len(labels) == len(free):  # short texts that repeat
        texts = [max(labels, key=lambda c: len(set(values[c])))]
        labels.remove(texts[0])
    if not texts and len(table.columns) == 1:
        texts = list(table.columns)
    if not texts:
        missing("anchor", table, file)
    if table.named and len(texts) + len(found.keys() & _TEXT_ROLES) > 2 and len(texts) > 1:
        raise InputError(
            f"cannot tell which of the columns {', '.join(texts)} are anchor, positive and negative",
            file=file,
            fix="name them: columns={'anchor': NAME, ...} (--column anchor=NAME ...)",
        )
    # a number that never repeats and has no fraction counts or names the rows
    numbers = [
        c
        for c in free
        if kinds[c] == "number" and (len(set(values[c])) < len(values[c]) or any("." in v for v in values[c]))
    ]
    roles: Columns = {"anchor": (texts[0],)}
    if texts[1:]:
        roles["positive"] = (texts[1],)
    if texts[2:]:
        roles["negative"] = tuple(texts[2:])
    if len(texts) == 1 and not labels:
        labels = [c for c in numbers if len(set(values[c])) <= len(values[c]) / 4]
    if len(texts) <= 2 and len(labels) == 1:
        roles["label"] = (labels[0],)
    elif len(texts) == 2 and len(numbers) == 1:
        roles["score"] = (numbers[0],)
    return roles | found


def _decide(roles: Columns, table: Table, kinds: Mapping[str, str], file: str, schema: Schema | None) -> Roles:
    """Settle what a label beside a pair means, and with it the schema."""
    nli = False
    if "pair_label" in roles and "positive" in roles and schema is None:
        schema = "pairs"
    if "pair_label" in roles:
        # what is said of the pairs is not to sort them
        roles = {role: named for role, named in roles.items() if role != "label"}
    if "positive" in roles and "label" in roles and schema not in ("labelled", "texts"):
        label = roles["label"][0]
        cells = [row.get(label) for row in table.sample]
        values = {cell for cell in cells if isinstance(cell, str | int)} - set(UNLABELLED)
        classes = {value.lower() if isinstance(value, str) else value for value in values}
        if plain(roles["anchor"][0]) == "premise":  # the order of the hub's SNLI and MultiNLI
            classes -= {0, 1, 2, "0", "1", "2"}
        if values and classes <= NLI.keys() and schema != "scored":
            nli = True
        elif kinds[label] == "number" and "score" not in roles:
            roles = {**roles, "score": (label,)}
        elif schema is None and not roles.keys() & {"score", "negative"}:
            raise InputError(
                f"column {label!r} labels pairs, but not with numbers or inference classes",
                file=file,
                fix="name the columns to read: columns={'anchor': NAME, 'positive': NAME}"
                " (--column anchor=NAME --column positive=NAME)",
            )
    if schema is None:
        if "positive" not in roles:
            schema = "labelled" if "label" in roles else "texts"
        elif "negative" in roles or nli or len(roles["positive"]) > 1:
            schema = "tuples"
        elif "score" in roles:
            schema = "scored"
        else:
            schema = "tuples" if kinds[roles["positive"][0]] == "list" else "pairs"
    for role in _NEEDS[schema]:
        if role not in roles:
            missing(role, table, file)
    reads = _READS[schema]
    if nli:  # the hypotheses are both, by their label
        reads = (*reads, "label")
        roles = {**roles, "negative": roles["positive"]}
    labels = roles.get("label", ())
    sets = len(labels) > 1 or any(isinstance(row.get(column), list) for row in table.sample for column in labels)
    return Roles(schema, {role: roles[role] for role in reads if role in roles}, nli, sets and schema == "labelled")
