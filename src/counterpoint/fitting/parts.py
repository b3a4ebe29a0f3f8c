"""The data of a run, whatever they are: what to train on, what to choose by, what to measure by."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterpoint.data import Retrieval
from counterpoint.data.items import Data, Items
from counterpoint.data.loaded import Loaded, SourceKind
from counterpoint.data.row_splits import kept_apart, split_data
from counterpoint.data.schema import ColumnMap
from counterpoint.data.several import load_sources
from counterpoint.data.shards import shard_files
from counterpoint.data.sources import load_source, source_kind
from counterpoint.data.stored import some
from counterpoint.encoders import Kind
from counterpoint.errors import InputError

INCLUDED = "included:debian"


def kind_of_source(source: Any, columns: ColumnMap | None = None) -> SourceKind:
    """`source_kind`, of the included corpus too.

    Examples:
        >>> kind_of_source(INCLUDED), kind_of_source("digits")
        ('texts', 'pictures')
    """
    return "texts" if isinstance(source, str) and source == INCLUDED else source_kind(source, columns)


@dataclass(frozen=True)
class About:
    """What is said of a source in the report.

    Attributes:
        source: Its name.
        schema: What its rows are.
        columns: Role -> column it was read from.
        notes: What else was noticed.
        rejected: How many rows were left out.
    """

    source: str
    schema: str
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rejected: int = 0


@dataclass(frozen=True)
class Parts:
    """The data of a run.

    Attributes:
        train: What to train on.
        dev: What to validate by.
        test: What to measure by.
        description: All that is to be said before training.
        about: What the report says of them.
        known: The test queries with a relevant document that was a positive in training.
        notes: How the parts came about, and what was left out.
        relations: Of triples: what each relation is called.
        sources: The names behind the numbers in the column `source`, where there are several.
    """

    train: Data
    dev: Data | Retrieval
    test: Data | Retrieval
    description: str
    about: About
    known: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Rows or queries of each part."""
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        return {name: len(p.queries) if isinstance(p, Retrieval) else len(p) for name, p in parts.items()}

    def digest(self) -> str:
        """Of everything that is trained on and measured by: another when an item, a label or the split changes."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.train, self.dev, self.test):
            if isinstance(part, Retrieval):
                for row in chain(part.corpus.items(), part.queries.items(), part.qrels.items()):
                    digest.update(repr(row).encode("utf-8", "surrogatepass"))
                continue
            arrays = [part.anchors.hashes()[part.anchor]]
            arrays += [] if part.others is None else [part.others.hashes()]
            arrays += [rows for rows in (part.positives, part.negatives) if rows is not None]
            for array in (*arrays, *(part.columns[name] for name in sorted(part.columns))):
                digest.update(array.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def sides(self) -> list[tuple[str, Kind, list[str]]]:
        """Every text that is encoded, once: what a side is called, its kind and its texts; nothing of other items.

        Of shards those of `some` rows.
        """
        rows = [some(part) for part in (self.train, self.dev, self.test) if isinstance(part, Data)]
        tests = [part for part in (self.dev, self.test) if isinstance(part, Retrieval)]
        anchors = [text for part in rows for text in _whole(part.anchors[part.anchor])]
        others = [text for part in rows for text in _whole(part.others)]
        anchors += [text for test in tests for text in test.queries.values()]
        others += [text for test in tests for text in test.corpus.values()]
        if self.train.schema not in ("pairs", "tuples"):
            return [("texts", None, list(dict.fromkeys(anchors + others)))] if anchors else []
        sides: list[tuple[str, Kind, list[str]]] = [("queries", "query", anchors), ("documents", "document", others)]
        return [(name, kind, list(dict.fromkeys(texts))) for name, kind, texts in sides if texts]

    def collections(self) -> list[tuple[str, Items, list[str]]]:
        """What indices of the run hold: the name of each, its items once each, and the text of each.

        Of texts what anchors belong to (a test's corpus, if it has one), else the texts themselves. Of pictures the
        pictures, whose text is their name; with texts the pictures, whose text is their first text, and the texts. Of
        triples nothing: the model completes them.
        """
        if isinstance(self.test, Retrieval):
            corpus = self.test.corpus
            return [("index", Items("text", list(corpus.values()), list(corpus)), list(corpus.values()))]
        parts = [part for part in (self.train, self.dev, self.test) if isinstance(part, Data)]
        if self.train.modalities[0] == "query":
            return []
        anchors = Items.cat([part.anchors[part.anchor] for part in parts])
        first = _first(anchors)
        if self.train.others is None:
            items = distinct(anchors[first])
            return [("index", items, list(items.texts if items.modality == "text" else _named(items)))]
        pairs = [(p.others, p.positives) for p in parts if p.others is not None and p.positives is not None]
        others = Items.cat([items[rows[rows >= 0]] for items, rows in pairs])
        texts = distinct(others[_first(others)])
        if anchors.modality == "text":
            return [("index", texts, list(texts.texts))]
        said = [items.texts[i] for items, rows in pairs for i in rows[:, 0].tolist()]
        pictures = distinct(anchors[first])
        return [
            ("index", replace(pictures, names=_named(pictures)), [said[row] for row in first.tolist()]),
            ("index-texts", texts, list(texts.texts)),
        ]


def load_parts(
    source: Any,
    reading: Mapping[str, Any],
    dev: float | int | str,
    test: float | int | str,
    seed: int,
    output: Path | None,
    *,
    strict: bool = False,
    more: Sequence[Any] = (),
    stored: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Parts:
    """Read and split whatever the source holds; rejected rows are written to `output`.

    Parts that the source names (`train`, `valid` and `test` of triples or pictures) are taken as such.

    Args:
        source: What `fit` takes.
        reading: Options of `counterpoint.data.sources.load_source`.
        dev: Held out to validate by: a fraction, a number, or a file of its own.
        test: Held out for the figures: the same.
        seed: Of the split.
        output: Where rejected rows are listed; None: nowhere.
        strict: See `counterpoint.fitting.texts.load_texts`.
        more: Further sources, which are read as one with the first.
        stored: Where the texts of shards are kept, which are not held in memory.
        say: Told what is done of what takes long.

    Raises:
        InputError: What readers and splits refuse.
    """
    from counterpoint.fitting.shards import load_shards
    from counterpoint.fitting.texts import load_texts

    files = shard_files(source) if stored is not None else []
    if not files and not more and kind_of_source(source, reading.get("columns")) == "texts":
        return load_texts(source, reading, dev, test, seed, output, strict=strict)
    if strict:
        raise InputError("--strict-split is of retrieval data, one BEIR folder or file", fix="leave it out")
    if files and stored is not None:
        if more:
            raise InputError("shards are one source by themselves", file=source, fix="put all shards into one folder")
        return load_shards(files, reading, dev, test, seed, output, stored, say)
    loaded = load_sources([source, *more], **reading)
    said = loaded.describe() if output is None else loaded.account(output / "rejected.jsonl")
    held = {"dev": loaded.dev, "test": loaded.test}
    for name, given in (("dev", dev), ("test", test)):
        if is_file(given):
            own = _own_part(name, str(given), loaded, reading)
            held[name] = own.data
            if own.rejected:
                listed = None if output is None else output / f"rejected-{name}.jsonl"
                said += f"; {name}: {own.describe() if listed is None else own.account(listed)}"
    sizes = {n: 0 if held[n] is not None else amount(given) for n, given in (("dev", dev), ("test", test))}
    train, *cut = split_data(loaded.data, seed=seed, **sizes)
    if crossing := _negatives(loaded.data) - sum(map(_negatives, (train, *cut))):
        said += f"; {crossing:,} negatives left out of their rows, they are in another part"
    parts = {n: part if part is not None else rest for (n, part), rest in zip(held.items(), cut, strict=True)}
    if loaded.kind != "triples" and any(part is not None for part in held.values()):
        kept = _apart(train, *held.values())
        # nobody chooses by what is measured
        chosen = _apart(parts["dev"], parts["test"])
        if left := len(train) - len(kept):
            said += f"; {left:,} rows left out of training, they are in dev or test"
        if left := len(parts["dev"]) - len(chosen):
            said += f"; dev: {left:,} rows left out, they are in the test, too"
        if not len(kept):
            fix = "give other rows"
            raise InputError("all that is to be trained on is in dev or test, too", file=loaded.source, fix=fix)
        train, parts["dev"] = kept, chosen
    schema = loaded.kind if loaded.kind != "texts" else train.schema
    about = About(loaded.source, schema, loaded.columns, loaded.notes, len(loaded.rejected))
    return Parts(train, parts["dev"], parts["test"], said, about, relations=loaded.relations, sources=loaded.sources)


def is_file(part: float | int | str) -> bool:
    """Whether dev or test is a file, and not an amount."""
    try:
        float(part)
    except ValueError:
        return True
    return False


def amount(part: float | int | str) -> float | int:
    """A fraction, or a number of rows."""
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{part} rows cannot be held out", fix="give a fraction, a number of rows, or a file")
    return int(value) if value >= 1 and value.is_integer() else value


def _own_part(name: str, file: str, loaded: Loaded, reading: Mapping[str, Any]) -> Loaded:
    """A file of its own for dev or test."""
    if loaded.kind == "triples":
        raise InputError(
            f"{name} triples in a file of their own have entities that are not told apart from others",
            file=file,
            fix="put train, valid and test files into one folder",
        )
    other = load_source(file, **{**reading, "split": None})
    if isinstance(other.texts, Retrieval):
        fix = "give rows like theirs, or train on one source"
        raise InputError(f"the {name} data are queries with documents, and the sources are several", file=file, fix=fix)
    same = (loaded.kind, loaded.data.schema, loaded.data.classes)
    if (other.kind, other.data.schema, other.data.classes) != same:
        raise InputError(
            f"the {name} data is not {loaded.kind} with the same classes", file=file, fix="give the same kind"
        )
    return other


def _apart(rows: Data, *held: Data | None) -> Data:
    """`kept_apart`; of two modalities by anchors alone, as many pictures may have one caption."""
    if rows.others is None or rows.anchors.modality == rows.others.modality:
        return kept_apart(rows, *held)
    seen = torch.cat([part.anchors.hashes()[part.anchor] for part in held if part is not None])
    return rows[~torch.isin(rows.anchors.hashes()[rows.anchor], seen)]


def _negatives(data: Data) -> int:
    return 0 if data.negatives is None else int((data.negatives >= 0).sum())


def _first(items: Items) -> Tensor:
    """The row of the first of all equal items, in order."""
    first = dict[int, int]()
    for row, hashed in enumerate(items.hashes().tolist()):
        first.setdefault(hashed, row)
    return torch.tensor(list(first.values()), dtype=torch.long)


def distinct(items: Items) -> Items:
    """The same, where no two have one name: the second `a.png`, of another source or part, is `a.png (2)`."""
    names, times = dict[str, None](), Counter[str]()
    for row, name in enumerate(items.names):
        called = name or f"{items.modality} {row}"
        while called in names:
            times[name] += 1
            called = f"{name} ({times[name] + 1})"
        names[called] = None
    return replace(items, names=list(names))


def _named(items: Items) -> list[str]:
    """Names, or numbers where there are none."""
    return list(items.names) or [f"{items.modality} {i}" for i in range(len(items))]


def _whole(items: Items | None) -> list[str]:
    """Texts after their own prompts; nothing of other items."""
    if items is None or items.modality != "text":
        return []
    return [p + t for p, t in zip(items.prompts or [""] * len(items), items.texts, strict=True)]
