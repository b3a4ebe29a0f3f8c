"""The data of a run: read, checked, split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from counterpoint.data import (
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
    split,
)
from counterpoint.encoders import Kind
from counterpoint.errors import InputError

INCLUDED = "included:debian"


@dataclass(frozen=True)
class Parts:
    """The data of a run: what to train on, and what to measure by."""

    train: TextData
    dev: TextData
    test: TextData | Retrieval
    description: str

    def digest(self) -> str:
        """Of everything that is trained on and measured by: another when a text, a label or the split changes."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.train, self.dev, self.test):
            if isinstance(part, TextData):
                rows: Iterable[object] = part.examples
            else:
                rows = chain(part.corpus.items(), part.queries.items(), part.qrels.items())
            for row in rows:
                digest.update(repr(row).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def sides(self) -> list[tuple[str, Kind, Iterator[str]]]:
        """Every text that is encoded: what a side is called, its kind and its texts."""
        rows = [e for part in (self.train, self.dev, self.test) if isinstance(part, TextData) for e in part.examples]
        if self.train.schema not in ("pairs", "tuples"):
            return [("texts", None, (text for e in rows for text in e.texts))]
        queries = chain(e.prompt + e.anchor for e in rows)
        documents = chain.from_iterable(e.texts[1:] for e in rows)
        if isinstance(self.test, Retrieval):
            queries = chain(queries, self.test.queries.values())
            documents = chain(documents, self.test.corpus.values())
        return [("queries", "query", queries), ("documents", "document", documents)]


def load_parts(
    source: str | os.PathLike[str],
    reading: Mapping[str, Any],
    dev: float | int | str,
    test: float | int | str,
    seed: int,
    output: Path | None,
) -> Parts:
    """Read, with these options of `counterpoint.data.read`, and split. Rejected rows are written to `output`."""
    if str(source) == INCLUDED:
        corpus = debian()
        both = split(corpus.train, test=0, dev=_amount(dev), seed=seed)
        said = f"{describe(corpus.train)}; {len(corpus.heldout.queries):,} titles held out once and for all"
        return Parts(both.train, both.dev, corpus.heldout, said)
    data = read(source, **reading)
    said = _account(data, output, "rejected.jsonl")
    if isinstance(data, Retrieval):
        pairs = pairs_from_retrieval(data)
        check_trainable(pairs)
        both = split(pairs, test=_amount(test), dev=_amount(dev), seed=seed)
        held = {e.anchor for e in both.test.examples}
        queries = {q: text for q, text in data.queries.items() if text in held}
        heldout = replace(data, queries=queries, qrels={q: g for q, g in data.qrels.items() if q in queries})
        return Parts(replace(both.train, rejected=data.rejected), both.dev, heldout, said)
    check_trainable(data)
    given = {name: part for name, part in (("dev", dev), ("test", test)) if _is_file(part)}
    others: dict[str, TextData] = {}
    for name, file in given.items():
        other = read(str(file), **reading)
        if isinstance(other, Retrieval) or other.schema != data.schema:
            raise InputError(
                f"the {name} data is not {data.schema} like the training data", file=str(file), fix="give the same kind"
            )
        others[name] = other
        if other.rejected:
            said += f"; {name}: {_account(other, output, f'rejected-{name}.jsonl')}"
    sizes = {name: 0 if name in given else _amount(part) for name, part in (("dev", dev), ("test", test))}
    both = split(data, seed=seed, test=sizes["test"], dev=sizes["dev"])
    train_part = _without(both.train, others.values())
    if len(train_part) < len(both.train):
        said += f"; {len(both.train) - len(train_part):,} rows left out of training, their texts are in dev or test"
    train_part = replace(train_part, rejected=data.rejected)
    return Parts(train_part, others.get("dev", both.dev), others.get("test", both.test), said)


def _account(data: TextData | Retrieval, output: Path | None, name: str) -> str:
    """What was read; the rows that were left out are written to `name` in `output`."""
    return describe(data) if output is None else account(data, output / name)


def read_source(source: str | os.PathLike[str], **options: Any) -> TextData | Retrieval:
    """What `counterpoint.data.read` reads, or the held-out test of the included corpus."""
    return debian().heldout if str(source) == INCLUDED else read(source, **options)


def _without(data: TextData, others: Iterable[TextData]) -> TextData:
    """Rows none of whose texts is in the others."""
    seen = {normalise(text) for other in others for text in other.texts()}

    def clean(example: Example) -> bool:
        return not any(normalise(text) in seen for text in example.texts)

    return replace(data, examples=[e for e in data.examples if clean(e)]) if seen else data


def _is_file(part: float | int | str) -> bool:
    return isinstance(part, (str, os.PathLike)) and not _number(str(part))


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _amount(part: float | int | str) -> float | int:
    value = float(part)
    return value if value < 1 else int(value)
