"""Tests that all systems of a comparison are measured on in place of what is held out of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoint.data import (
    DiscourseTask,
    Retrieval,
    SentenceTasks,
    TextData,
    all_labels,
    read_discourse_tasks,
    read_sentence_tasks,
)
from counterpoint.errors import InputError, refuse_string

if TYPE_CHECKING:
    from counterpoint.evaluate.encoder import Encodes

Given = SentenceTasks | dict[str, DiscourseTask] | TextData | Retrieval


def read_tests(sources: Sequence[str]) -> dict[str, Given]:
    """What `evaluate` takes of texts, by the name of its file or folder.

    Args:
        sources: Folders of sentence tasks or of DiscoEval, scored pairs, pairs, BEIR folders, labelled texts.

    Raises:
        InputError: One has no name, cannot be read, has texts alone or one label, or two have one name.

    Examples:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "likeness.tsv"
        >>> _ = file.write_text("score\\tsentence1\\tsentence2\\n5\\ta cat\\tthe cat\\n0\\ta cat\\ta tax\\n")
        >>> [(name, given.schema) for name, given in read_tests([str(file)]).items()]
        [('likeness', 'scored')]
    """
    from counterpoint.fitting.texts import read_source

    refuse_string(sources, "sources")
    found: dict[str, Given] = {}
    for source in sources:
        name = Path(source).stem
        if not source.strip():
            raise InputError("a test without a name", fix="name a file or a folder")
        if name in found:
            raise InputError(f"two tests have the name {name}", file=source, fix="rename one")
        given = read_sentence_tasks(source) or read_discourse_tasks(source) or read_source(source)
        if isinstance(given, TextData) and given.schema == "texts":
            raise InputError("texts alone, of which nothing can be measured", file=source, fix="give a test")
        labels = given.examples if isinstance(given, TextData) and given.schema == "labelled" else []
        if len({frozenset(all_labels(e)) for e in labels}) == 1:
            raise InputError("all rows have the same labels", file=source, fix="give rows whose labels differ")
        found[name] = given
    return found


def measured_on(encoder: Encodes, tests: dict[str, Given]) -> dict[str, float]:
    """The figures of each test, the main one first; with the test's name before them where there are several.

    Args:
        encoder: What encodes texts.
        tests: As they were read.
    """
    from counterpoint.evaluate import evaluate_any, evaluate_discourse, evaluate_sentences

    figures: dict[str, float] = {}
    for name, given in tests.items():
        if isinstance(given, SentenceTasks):
            results = evaluate_sentences(encoder, given, samples=0)[:1]
        elif isinstance(given, dict):
            results = [evaluate_discourse(encoder, given, samples=0)]
        else:
            results = evaluate_any(encoder, given, samples=0)
        several = f"{name}: " if len(tests) > 1 else ""
        figures |= {several + key: figure.value for result in results for key, figure in result.items()}
    return figures


def content_digest(given: Given) -> str:
    """A digest of all that a test holds: the same name may come to hold something else.

    Args:
        given: As it was read.

    Examples:
        >>> content_digest(Retrieval({}, {}, {}, "a")) == content_digest(Retrieval({"d": "text"}, {}, {}, "a"))
        False
    """
    return hashlib.blake2b(repr(given).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
