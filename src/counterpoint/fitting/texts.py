"""Texts for a run: read, checked, split."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterpoint.data import (
    DebianCorpus,
    Example,
    Retrieval,
    TextData,
    account,
    check_trainable,
    debian,
    describe,
    normalise,
    pairs_from_retrieval,
    read,
    read_judgements,
    split,
    split_queries,
)
from counterpoint.data.corpus import LANGUAGES
from counterpoint.data.layouts import beir_files
from counterpoint.data.reading import Reading
from counterpoint.data.rows import rows_of
from counterpoint.data.sources import load_source
from counterpoint.errors import InputError
from counterpoint.evaluate.places import own_documents, without_itself
from counterpoint.fitting.parts import INCLUDED, About, Parts, amount, is_file

_DEV = ("dev", "validation", "valid", "val")


def all_texts(source: str | os.PathLike[str], reading: Mapping[str, Any], rejected: Path) -> tuple[list[str], str]:
    """Every text of a source, of queries and of documents, whatever its schema; and what was read, in a sentence.

    Args:
        source: What `counterpoint.data.read` takes, or `included:debian` (English, if `split` is no other language).
        reading: Its options.
        rejected: The file that lists bad rows, if there are any.
    """
    if source == INCLUDED:
        corpus = _included({**reading, "split": reading.get("split") or "en"})
        return list(corpus.train.texts()), describe(corpus.train)
    data = read(source, **reading)
    said = account(data, rejected)
    return [*data.corpus.values(), *data.queries.values()] if isinstance(data, Retrieval) else list(data.texts()), said


def load_texts(
    source: Any,
    reading: Mapping[str, Any],
    dev: float | int | str,
    test: float | int | str,
    seed: int,
    output: Path | None,
    *,
    strict: bool = False,
) -> Parts:
    """Read, with these options of `counterpoint.data.read`, and split. Rejected rows are written to `output`.

    Pairs and the like are split so that no text is in two parts (`split`). Retrieval data are split by query
    (`split_queries`); where a folder has judgements of train and of test (or dev), training is on the first, the
    figures on the last, unless `reading` names one of them. Texts, pairs and tuples may be measured by retrieval data
    (`dev`, `test`). With `strict`, no test query has a document that was a positive in training.
    """
    if isinstance(source, str) and source == INCLUDED:
        if any(map(is_file, (dev, test))):
            fix = "give --dev a fraction or a number, and leave --test out"
            raise InputError("dev and test of the included corpus are its own", file=INCLUDED, fix=fix)
        corpus = _included(reading)
        both = split(corpus.train, test=0, dev=amount(dev), seed=seed)
        described = set(corpus.heldout.corpus.values())
        # titles are not what is searched
        asked = replace(both.dev, examples=[e for e in both.dev.examples if e.positives[0] in described])
        said = f"{describe(corpus.train)}; {len(corpus.heldout.queries):,} titles held out once and for all"
        return _parts(both.train, asked, corpus.heldout, said)
    skip_bad = bool(reading.get("skip_bad"))
    if not isinstance(source, str | os.PathLike):
        data = load_source(source, **reading).texts
        assert data is not None  # as they are texts
        several = dict[str, tuple[str, TextData | Retrieval]]()
    else:
        several = {} if reading.get("split") else _roles(read_judgements(source, skip_bad=skip_bad))
        if several:
            Reading(reading.get("columns") or {}, reading.get("schema")).check(str(source), "queries with documents")
        trained, data = several.pop("train") if several else ("train", read(source, **reading))
    said = _account(data, output, "rejected.jsonl")
    given = {name: part for name, part in (("dev", dev), ("test", test)) if is_file(part)}
    others = several | {name: (str(file), read_own(str(file), reading)) for name, file in given.items()}
    sizes = {name: 0 if name in others else amount(part) for name, part in (("dev", dev), ("test", test))}
    if isinstance(data, Retrieval):
        return _retrieval_parts(data, trained, others, sizes, seed, strict, said)
    check_trainable(data)
    rows: dict[str, TextData | Retrieval] = {}
    for name, (file, other) in others.items():
        # how well documents are found is for queries to tell, whatever it was learned from
        searched = data.schema in ("texts", "pairs", "tuples")
        if not (searched if isinstance(other, Retrieval) else other.schema == data.schema):
            queries = ", or queries with their documents (a BEIR folder)" if searched else ""
            raise InputError(
                f"the {name} data is not {data.schema} like the training data",
                file=file,
                fix=f"give the same kind{queries}",
            )
        rows[name] = other
        if isinstance(other, Retrieval):
            judged = with_answers(other)
            rows[name] = judged
            if unanswered := len(other.queries) - len(judged.queries):
                said += f"; {name}: {unanswered:,} queries left out, as no document is relevant"
        if other.rejected:
            said += f"; {name}: {_account(other, output, f'rejected-{name}.jsonl')}"
    chosen, measured = rows.get("dev"), rows.get("test")
    if isinstance(chosen, Retrieval) and isinstance(measured, Retrieval):
        rows["dev"], shared = unseen(chosen, set(map(normalise, measured.queries.values())))
        if shared:
            said += f"; dev: {shared:,} queries left out, as they are in the test, too"
    both = split(data, seed=seed, test=sizes["test"], dev=sizes["dev"])
    crossing = sum(len(e.negatives) for e in data.examples)
    crossing -= sum(len(e.negatives) for part in (both.train, both.dev, both.test) for e in part.examples)
    if crossing:
        said += f"; {crossing:,} negatives left out of their rows, they are in another part"
    train_part = _without(both.train, (text for other in rows.values() for text in _held(other, strict=strict)))
    if len(train_part) < len(both.train):
        said += f"; {len(both.train) - len(train_part):,} rows left out of training, their texts are in dev or test"
    train_part = replace(train_part, rejected=data.rejected)
    dev_part, test_part = rows.get("dev", both.dev), rows.get("test", both.test)
    if rows and isinstance(dev_part, TextData):
        # nobody chooses by what is measured
        dev_part, before = _without(dev_part, _held(test_part, strict=strict)), len(dev_part)
        if len(dev_part) < before:
            said += f"; dev: {before - len(dev_part):,} rows left out, their texts are in the test, too"
    known = frozenset[str]()
    if isinstance(test_part, Retrieval) and data.schema != "texts":
        known, share = known_answers(train_part, test_part)
        said += f"; {share}"
    return _parts(train_part, dev_part, test_part, said, known=known)


def _parts(train: TextData, dev: TextData | Retrieval, test: TextData | Retrieval, said: str, **more: Any) -> Parts:
    """The parts as rows over texts."""
    about = About(train.source, train.schema, dict(train.columns), train.notes, len(train.rejected))
    held = [part if isinstance(part, Retrieval) else rows_of(part.examples, part.source) for part in (dev, test)]
    return Parts(rows_of(train.examples, train.source), held[0], held[1], said, about, **more)


def _roles(judgements: dict[str, Retrieval]) -> dict[str, tuple[str, TextData | Retrieval]]:
    """Train, test and perhaps dev, each with its name, where a folder has judgements of two of them."""
    names = {"train": "train", "test": "test", "dev": next((name for name in _DEV if name in judgements), "")}
    if "test" not in judgements:
        names["test"] = names.pop("dev")
    elif "train" not in judgements:
        names["train"] = names.pop("dev")
    there = {role: (name, judgements[name]) for role, name in names.items() if name in judgements}
    return dict(there) if {"train", "test"} <= there.keys() else {}


def _retrieval_parts(
    data: Retrieval,
    trained: str,
    others: Mapping[str, tuple[str, TextData | Retrieval]],
    sizes: Mapping[str, float | int],
    seed: int,
    strict: bool,
    read_as: str,
) -> Parts:
    """The queries of the others are left out of training; what is not there is cut off."""
    notes: dict[str, int] = {}
    given: dict[str, Retrieval] = {}
    for name, (_, other) in others.items():
        if not isinstance(other, Retrieval):
            raise InputError(
                f"the {name} data has no judgements", file=other.source, fix="give a BEIR folder or a qrels file"
            )
        given[name] = with_answers(other)
    seen: set[str] = set()
    for name in (name for name in ("test", "dev") if name in given):
        given[name], left = unseen(given[name], seen)
        notes[f"{name} queries left out, as they are in the test, too"] = left
        seen |= {*given[name].queries, *map(normalise, given[name].queries.values())}
    notes["queries left out, as they are not judged"] = len(data.queries.keys() - data.qrels.keys())
    answered = with_answers(data)
    notes["queries left out, as no document is relevant"] = len(data.qrels) - len(answered.qrels)
    fresh, notes["queries left out of training, as they are in dev or test, too"] = unseen(answered, seen)
    train, dev, test = split_queries(fresh, **sizes, seed=seed, strict=strict)
    dev, test = given.get("dev", dev), given.get("test", test)
    pairs = pairs_from_retrieval(train)
    if strict:
        held = (t for part in (dev, test) for q in part.queries for t in (part.queries[q], *_answers(part, q)))
        pairs, before = _without(pairs, held), len(pairs)
        notes["queries left out of training, as they share documents with dev or test"] = before - len(pairs)
    check_trainable(pairs)
    known, share = known_answers(pairs, test)
    notes["training queries that are documents of the corpus, each no partner of itself"] = len(own_documents(train))
    size = {"train": len(pairs), "dev": len(dev.queries), "test": len(test.queries)}
    where = {
        name: f"the queries of {others[name][0]}" if name in others else "a part of them" for name in ("dev", "test")
    }
    validated = f"validated on {where['dev']} ({size['dev']:,}), " if size["dev"] else ""
    notes_said = (
        f"trained on the queries of {trained if others else 'the judgements'} ({size['train']:,}), "
        f"{validated}measured on {where['test']} ({size['test']:,})",
        *(f"{what}: {n:,}" for what, n in notes.items() if n),
        share,
    )
    train_part = replace(pairs, rejected=data.rejected)
    return _parts(train_part, dev, test, "; ".join([read_as, *notes_said]), known=known, notes=notes_said)


def with_answers(data: Retrieval) -> Retrieval:
    """Only the queries that have a relevant document other than themselves."""
    qrels = {q: gains for q, gains in without_itself(data).items() if any(gain > 0 for gain in gains.values())}
    if not qrels:
        raise InputError("no query has a relevant document", file=data.source, fix="check the judgements")
    return replace(data, queries={q: text for q, text in data.queries.items() if q in qrels}, qrels=qrels)


def unseen(data: Retrieval, seen: set[str]) -> tuple[Retrieval, int]:
    """Only the queries of which neither the id nor the text was seen; and how many were."""
    kept = {q: text for q, text in data.queries.items() if q not in seen and normalise(text) not in seen}
    return replace(data, queries=kept, qrels={q: data.qrels[q] for q in kept}), len(data.queries) - len(kept)


def _held(data: TextData | Retrieval, *, strict: bool) -> Iterable[str]:
    """Texts that nobody may train on: of a test by queries these alone, as its documents are there for everybody.

    With `strict` its answers, too.
    """
    if not isinstance(data, Retrieval):
        return data.texts()
    return [*data.queries.values(), *(text for q in data.queries if strict for text in _answers(data, q))]


def known_answers(train: TextData, test: Retrieval) -> tuple[frozenset[str], str]:
    """The test queries with a relevant document that was a positive in training, and what is said of them."""
    positives = {normalise(text) for e in train.examples for text in e.positives}
    known = frozenset(q for q in test.queries if any(normalise(text) in positives for text in _answers(test, q)))
    share = f"{len(known):,} of {len(test.queries):,}" + (" (none with --strict-split)" if known else "")
    return known, f"test queries with a relevant document that was a positive in training: {share}"


def _answers(data: Retrieval, query: str) -> list[str]:
    return [data.corpus[document] for document, gain in data.qrels[query].items() if gain > 0]


def _account(data: TextData | Retrieval, output: Path | None, name: str) -> str:
    """What was read; the rows that were left out are written to `name` in `output`."""
    return describe(data) if output is None else account(data, output / name)


def read_source(source: str | os.PathLike[str], **options: Any) -> TextData | Retrieval:
    """What `counterpoint.data.read` reads, or the held-out test of the included corpus."""
    return _included(options).heldout if str(source) == INCLUDED else read(source, **options)


def read_own(file: str, reading: Mapping[str, Any]) -> TextData | Retrieval:
    """A file of its own for dev or test: the split is of the source, and queries with documents have no columns."""
    options = {"split"} if beir_files(file, None) is None else {"split", "columns", "schema"}
    return read(file, **{name: value for name, value in reading.items() if name not in options})


def read_pairs(source: str, options: Mapping[str, Any]) -> TextData | Retrieval:
    """What `counterpoint.data.read` reads, or the pairs of the included corpus that may be trained on."""
    return _included(options).train if source == INCLUDED else read(source, **options)


def _included(reading: Mapping[str, Any]) -> DebianCorpus:
    """The included corpus in all its languages, or in that which is asked for as its split."""
    asked = Reading(reading.get("columns") or {}, reading.get("schema"))
    asked.check(INCLUDED, "the included corpus")
    one = reading.get("split")
    return debian(languages=list(LANGUAGES) if one is None else [one])


def _without(data: TextData, texts: Iterable[str]) -> TextData:
    """Rows that have none of these texts."""
    seen = set(map(normalise, texts))

    def clean(example: Example) -> bool:
        return not any(normalise(text) in seen for text in example.texts)

    return replace(data, examples=[e for e in data.examples if clean(e)]) if seen else data
