"""Texts in sentences, and long documents in passages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from counterpoint.data.types import Documents
from counterpoint.errors import InputError

DOCUMENT, PASSAGE = "document", "passage"
"""The columns that say of which document a passage is, and which of its passages, from 1."""

_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s)|[。！？]+[”’」』）]*|\n\s*\n")
"""Where a sentence ends: at its mark and what closes around it, and where a paragraph does."""
_WORD = re.compile(r"\S+")


def in_sentences(text: str) -> list[str]:
    """A text's sentences, by their marks: a full stop within one, as of "e.g. this", ends it, too.

    Examples:
        >>> in_sentences('"Is it?" It is (at 3.5 m). 是的。好')
        ['"Is it?"', 'It is (at 3.5 m).', '是的。', '好']
    """
    return [found for a, b in _sentences(text) if (found := text[a:b].strip())]


def of_several_sentences(texts: Iterable[str]) -> int:
    """How many of the texts have more than one sentence.

    Examples:
        >>> of_several_sentences(["It is red. It flies.", "one alone"])
        1
    """
    return sum(len(in_sentences(text)) > 1 for text in texts)


def passages(text: str, words: int) -> list[str]:
    """A text in parts of whole sentences, of at most so many words each; a longer sentence is cut between words.

    Where a sentence has no blanks, its characters count as words. What is short enough is one part, as it is.

    Raises:
        InputError: Fewer than one word.

    Examples:
        >>> passages("It is red. It flies high. No bird is like it.", 6)
        ['It is red. It flies high.', 'No bird is like it.']
        >>> passages("one two three", 2), passages("是的。好。", 3)
        (['one two', 'three'], ['是的。', '好。'])
    """
    if words < 1:
        raise InputError(f"passages of {words} words", fix="give 1 or more; 100 to 200 are common")
    parts, size = list[list[int]](), words
    for start, end, count in _pieces(text, words):
        if size + count > words:
            parts.append([start, end])
            size = 0
        parts[-1][1] = end
        size += count
    return [text[start:end].strip() for start, end in parts] if len(parts) > 1 else [text]


def in_passages(documents: Documents, words: int) -> Documents:
    """The documents as passages, with ids `ID#1`, `ID#2`, ... and the columns `document` and `passage`.

    Raises:
        InputError: The documents have such a column already, or fewer than one word is asked for.

    Examples:
        >>> found = in_passages(Documents(["a"], ["It is red. It flies."], {"year": [1990]}, "memory"), 3)
        >>> found.ids, found.texts
        (['a#1', 'a#2'], ['It is red.', 'It flies.'])
        >>> found.columns
        {'year': [1990, 1990], 'document': ['a', 'a'], 'passage': [1, 2]}
    """
    if taken := {DOCUMENT, PASSAGE} & documents.columns.keys():
        raise InputError(
            f"there is a column {min(taken)!r} already, which passages need", file=documents.source, fix="rename it"
        )
    rows = [(d, i, part) for d, text in enumerate(documents.texts) for i, part in enumerate(passages(text, words), 1)]
    columns: dict[str, list[Any]] = {name: [held[d] for d, _, _ in rows] for name, held in documents.columns.items()}
    columns |= {DOCUMENT: [documents.ids[d] for d, _, _ in rows], PASSAGE: [i for _, i, _ in rows]}
    ids, texts = [f"{documents.ids[d]}#{i}" for d, i, _ in rows], [part for _, _, part in rows]
    return replace(documents, ids=ids, texts=texts, columns=columns)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins and ends, with the blanks around it."""
    return pairwise([0, *(end.end() for end in _END.finditer(text)), len(text)])


def _pieces(text: str, words: int) -> Iterator[tuple[int, int, int]]:
    """Sentences, and parts of those that are too long: where each begins and ends, and how many words it has."""
    for a, b in _sentences(text):
        spans = [word.span() for word in _WORD.finditer(text, a, b)]
        if len(spans) == 1 and not text[slice(*spans[0])].isascii():
            spans = [(i, i + 1) for i in range(*spans[0])]
        for start in range(0, len(spans), words):
            part = spans[start : start + words]
            yield part[0][0], part[-1][1], len(part)
