"""Tests that all systems of a comparison are measured on in place of what is held out of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoint.data import Retrieval, SentenceTasks, TextData, read_sentence_tasks
from counterpoint.errors import InputError, refuse_string

if TYPE_CHECKING:
    from counterpoint.evaluate.encoder import Encodes

Given = SentenceTasks | TextData | Retrieval


def read_tests(sources: Sequence[str]) -> dict[str, Given]:
    """What `evaluate` takes of texts, by the name of its file or folder.

    Args:
        sources: Folders of sentence tasks, scored pairs, pairs, BEIR folders, labelled texts.

    Raises:
        InputError: One cannot be read, is of texts alone, or two have one name.

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
        if name in found:
            raise InputError(f"two tests have the name {name}", file=source, fix="rename one")
        given = read_sentence_tasks(source) or read_source(source)
        if isinstance(given, TextData) and given.schema == "texts":
            raise InputError("texts alone, of which nothing can be measured", file=source, fix="give a test")
        found[name] = given
    return found


def measured_on(encoder: Encodes, tests: dict[str, Given]) -> dict[str, float]:
    """The figures of each test, the main one first; with the test's name before them where there are several.

    Args:
        encoder: What encodes texts.
        tests: As they were read.
    """
    from counterpoint.evaluate import evaluate_any, evaluate_sentences

    figures: dict[str, float] = {}
    for name, given in tests.items():
        if isinstance(given, SentenceTasks):
            results = evaluate_sentences(encoder, given, samples=0)[:1]
        else:
            results = evaluate_any(encoder, given, samples=0)
        several = f"{name}: " if len(tests) > 1 else ""
        figures |= {several + key: figure.value for result in results for key, figure in result.items()}
    return figures
