"""Knowledge graphs: files of head, relation and tail, as queries (entity, relation) and what answers them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.data.jsonrows import type_name
from counterpoint.data.loaded import Loaded
from counterpoint.data.reading import Reading
from counterpoint.data.schema import ColumnMap, Columns, given_roles, missing
from counterpoint.data.tables import FORMATS, Table, nothing_read, plain, read_table, suffix
from counterpoint.data.types import PARTS, Progress, Rejects
from counterpoint.errors import InputError

NAMES: dict[str, tuple[str, ...]] = {
    "head": ("head", "h", "subject", "subj", "source", "from", "head_entity", "head_id"),
    "relation": ("relation", "r", "rel", "predicate", "pred", "edge", "relation_id", "edge_type"),
    "tail": ("tail", "t", "object", "obj", "target", "to", "tail_entity", "tail_id"),
}
"""The names that each role goes by, the likeliest first."""
_LONGEST = 5  # words, on average: an entity is called something, and does not say something
Triple = tuple[str, str, str]


def load_triples(sources: Sequence[str | os.PathLike[str]], reading: Reading = Reading()) -> Loaded:
    """One knowledge graph, of one source or of several.

    A source is a file of any format that `read` takes, with the columns head, relation and tail by name, or with three
    columns in this order; or a folder with such files `train`, `valid` (or `dev`) and `test`, perhaps `entity2text`.

    Each triple is two rows: (head, relation) is answered by the tail, and (tail, inverse relation) by the head, where
    the inverse of relation `r` of `R` is `r + R` (the standard since Lacroix et al. 2018, "Canonical Tensor
    Decomposition for Knowledge Base Completion"): the first half of the rows, and the second.

    Args:
        sources: Files and folders.
        reading: Of which `columns` (roles head, relation, tail), `skip_bad` and `progress` (bytes) count.

    Returns:
        `anchors` of modality "query", `(q, 2)` int64, each query that occurs in any part once; `others` of modality
        "entity", `(entities,)` int64; both have names. A triple of the training files that is in the test or dev file
        as well is left out of training, and said. Column `source`, if there are several.

    Raises:
        InputError: A row without three fields, an entity or a relation of the test or dev file that no training triple
            has (nothing can be learned of it), an empty file, or no training file.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "family.tsv"
        >>> _ = path.write_text("ann\\tmother of\\tbob\\nbob\\tfather of\\teve\\nann\\tmother of\\tdan\\n")
        >>> loaded = load_triples([path])
        >>> loaded.data.anchors.names[0], loaded.data.anchors.tensor[0].tolist(), loaded.relations
        ('ann, mother of, ?', [0, 0], ('mother of', 'father of'))
        >>> loaded.data.anchor.tolist(), loaded.data.positives[:, 0].tolist()
        ([0, 1, 0, 2, 3, 4], [1, 2, 3, 0, 1, 0])
    """
    name = ", ".join(os.fspath(source) for source in sources)
    reject = reading.rejects(name)
    tables: list[tuple[str, int, Table, Rejects]] = []
    for number, source in enumerate(sources):
        for part, file in _files(Path(source)).items():
            bad = reject.at(file)
            tables.append((part, number, open_triples(file, bad, reading.columns, reading.progress), bad))
    loaded = graph_of(tables, reading.columns, reject)
    names = tuple(os.fspath(source) for source in sources)
    said, unread = _descriptions([Path(source) for source in sources if Path(source).is_dir()], reject, tables)
    assert loaded.data.others is not None  # the entities
    return replace(
        loaded,
        sources=names if len(names) > 1 else (),
        descriptions=tuple(said.get(name, "") for name in loaded.data.others.names) if said else (),
        notes=(*loaded.notes, f"not read: {', '.join(unread)}") if unread else loaded.notes,
    )


def graph_of(tables: Sequence[tuple[str, int, Table, Rejects]], columns: ColumnMap, reject: Rejects) -> Loaded:
    """One knowledge graph of tables, each with its part, the number of its source, and what to do with its bad rows."""
    graph = _Graph(reject)
    # what is trained on comes first: it says which entities there are
    for part, number, table, bad in sorted(tables, key=lambda each: list(PARTS).index(each[0])):
        graph.read(part, number, table, triple_roles(table, bad.file, columns), bad)
    graph.keep_apart()
    parts = graph.rows(several=len({number for _, number, _, _ in tables}) > 1)
    return Loaded(
        "triples",
        parts["train"],
        reject.file,
        parts.get("dev"),
        parts.get("test"),
        graph.said,
        tuple(graph.notes),
        reject.rows,
        relations=tuple(graph.relations),
    )


@dataclass
class _Graph:
    """The triples of each part, each with the number of its source, and the numbers of all names."""

    reject: Rejects
    said: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)
    relations: dict[str, int] = field(default_factory=dict)
    parts: dict[str, dict[Triple, int]] = field(default_factory=lambda: {part: {} for part in PARTS})

    def read(self, part: str, source: int, table: Table, roles: Columns, bad: Rejects) -> None:
        """The triples of a table."""
        self.said |= {role: column for role, (column,) in roles.items()}
        self.notes |= dict.fromkeys(table.notes)
        found, copies, before = self.parts[part], 0, len(self.parts[part])
        for line, triple in _triples(table, roles, bad):
            head, relation, tail = triple
            if part == "train":
                for entity in (head, tail):
                    self.entities.setdefault(entity, len(self.entities))
                self.relations.setdefault(relation, len(self.relations))
            elif unknown := self._unknown(triple):
                bad(f"the {unknown} is in no training triple", line, list(triple), "leave the triple out")
                continue
            copies += triple in found
            found.setdefault(triple, source)
        if copies:
            self.notes[f"{copies:,} of {Path(bad.file).name} are there already, and count once"] = None
        elif len(found) == before:
            raise InputError(nothing_read(bad, "no triple"), file=bad.file, fix="give head, relation and tail a row")

    def _unknown(self, triple: Triple) -> str:
        head, relation, tail = triple
        unknown = [f"entity {entity!r}" for entity in (head, tail) if entity not in self.entities]
        if relation not in self.relations:
            unknown.append(f"relation {relation!r}")
        return unknown[0] if unknown else ""

    def keep_apart(self) -> None:
        """No triple in two parts: what is measured by stays."""
        for part, others in (("dev", ("test",)), ("train", ("dev", "test"))):
            both = [t for t in self.parts[part] if any(t in self.parts[other] for other in others)]
            for triple in both:
                del self.parts[part][triple]
            if both:
                self.notes[f"left out of {part}, as they are in {' or '.join(others)}, too: {len(both):,}"] = None

    def rows(self, *, several: bool) -> dict[str, Data]:
        """The data of each part that has triples, both ways, over the same queries and entities."""
        relations = len(self.relations)
        both, columns, source = {}, {}, self.reject.file
        for part, triples in self.parts.items():
            rows = [(self.entities[h], self.relations[r], self.entities[t]) for h, r, t in triples]
            head, relation, tail = torch.tensor(rows, dtype=torch.long).view(-1, 3).T
            ways = ((head, relation, tail), (tail, relation + relations, head))
            both[part] = [torch.cat(way) for way in zip(*ways, strict=True)]
            columns[part] = {"source": torch.tensor(list(triples.values())).repeat(2)} if several else {}
        # a query is one number: those that are equal are found at once
        keys = torch.cat([head * 2 * relations + relation for head, relation, _ in both.values()])
        distinct, number = keys.unique(return_inverse=True)
        queries = torch.stack([distinct // (2 * relations), distinct % (2 * relations)], 1)
        entities = Items("entity", torch.arange(len(self.entities)), tuple(self.entities))
        names = query_names(queries, entities.names, tuple(self.relations))
        anchors = Items("query", queries, names)
        anchor = dict(zip(both, number.split([len(tail) for _, _, tail in both.values()]), strict=True))
        return {
            part: Data(anchors, anchor[part], entities, tail[:, None], columns=columns[part], source=source)
            for part, (_, _, tail) in both.items()
            if len(tail)
        }


def query_names(queries: Int[Tensor, "q 2"], entities: Sequence[str], relations: Sequence[str]) -> tuple[str, ...]:
    """What is asked, in words: the triple with a question mark.

    Examples:
        >>> query_names(torch.tensor([[1, 0], [0, 1]]), ("ann", "bob"), ("mother of",))
        ('bob, mother of, ?', '?, mother of, ann')
    """
    r = len(relations)
    return tuple(
        f"{entities[e]}, {relations[k]}, ?" if k < r else f"?, {relations[k - r]}, {entities[e]}"
        for e, k in queries.tolist()
    )


def open_triples(
    file: Path, reject: Rejects, columns: ColumnMap, progress: Progress | None = None, *, ahead: bool = True
) -> Table:
    """A file as a table; a text file has its fields between tabs."""
    form = "tsv" if FORMATS.get(suffix(file)) == "text" else None
    given = [v for v in columns.values() if isinstance(v, str) and not v.isdecimal()]
    names = [name for role in NAMES.values() for name in role]
    return read_table(file, reject, [*names, *given], progress, form=form, ahead=ahead)


def triple_roles(table: Table, file: str, columns: ColumnMap) -> Columns:
    """Which column is head, relation and tail: by the caller's word, by name, or the three that there are.

    Raises:
        InputError: There is no telling.
    """
    roles = given_roles(table, file, columns, NAMES, {})
    if table.named:
        by_name = {plain(column): column for column in reversed(table.columns)}
        for role, known in NAMES.items():
            if role not in roles and (hits := [by_name[name] for name in known if name in by_name]):
                roles[role] = (hits[0],)
    if not roles and len(table.columns) == 3:
        return {role: (column,) for role, column in zip(NAMES, table.columns, strict=True)}
    for role in NAMES:
        if role not in roles:
            missing(role, table, file)
    return {role: roles[role] for role in NAMES}


def seems_triples(table: Table, columns: ColumnMap) -> bool:
    """Whether a table holds triples: the caller or the names of the columns say so, or the first rows look so.

    They do where there are three columns, the middle one repeats itself, what is on the left is on the right, too, and
    all are short.

    Examples:
        >>> rows = [{"1": a, "2": "knows", "3": b} for a, b in ("xy", "yz", "zx")]
        >>> seems_triples(Table(("1", "2", "3"), iter([]), named=False, sample=rows), {})
        True
    """
    if columns:
        return columns.keys() <= NAMES.keys()
    names = {plain(column) for column in table.columns}
    if table.named and all(names & set(known) for known in NAMES.values()):
        return True
    if table.named or len(table.columns) != 3:
        return False
    cells = [[str(row.get(column, "")) for row in table.sample] for column in table.columns]
    short = all(sum(len(cell.split()) for cell in column) <= _LONGEST * len(column) for column in cells)
    repeats = len(set(cells[1])) <= len(cells[1]) / 2
    return short and repeats and bool(set(cells[0]) & set(cells[2]))


def part_files(folder: Path) -> dict[str, Path]:
    """The files `train`, `dev` and `test` of a folder, by any of their names; nothing without a training file.

    Raises:
        InputError: Two files for one part.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        part = next((part for part, names in PARTS.items() if _stem(file) in names), None)
        if part is None or suffix(file) not in FORMATS or not file.is_file():
            continue
        if part in found:
            raise InputError(f"{found[part].name} and {file.name} are one part", file=folder, fix="remove one of them")
        found[part] = file
    return found if "train" in found else {}


def _descriptions(
    folders: Sequence[Path], reject: Rejects, tables: Sequence[tuple[str, int, Table, Rejects]]
) -> tuple[dict[str, str], list[str]]:
    """What `entity2text` (entity, text a row; KG-BERT's) says of entities, and the names of files that are not read."""
    read = {bad.file for _, _, _, bad in tables}
    said, unread = dict[str, str](), list[str]()
    for file in (each for folder in folders for each in sorted(folder.iterdir()) if not each.name.startswith(".")):
        if os.fspath(file) in read:
            continue
        if _stem(file) == "entity2text" and suffix(file) in FORMATS:
            bad = reject.at(file)
            table = open_triples(file, bad, {})
            for line, row in table.rows:
                cells = [str(cell) for cell in row.values() if cell]
                if len(cells) == 2:
                    said[cells[0]] = cells[1]
                else:
                    bad(f"{len(cells)} fields where an entity and its text belong", line, row)
        else:
            unread.append(file.name)
    return said, unread


def _stem(file: Path) -> str:
    return file.name.lower().removesuffix(".gz").removesuffix(suffix(file))


def _files(source: Path) -> dict[str, Path]:
    if not source.exists():
        raise InputError("no such file or folder", file=source, fix="check the path")
    files = part_files(source) if source.is_dir() else {"train": source}
    if not files:
        raise InputError("a folder without a file of training triples", file=source, fix="name one train.tsv")
    return files


def _triples(table: Table, roles: Columns, reject: Rejects) -> Iterator[tuple[int, Triple]]:
    """Line and names of each whole row."""
    columns = {role: column for role, (column, *_) in roles.items()}
    for line, row in table.rows:
        cells = {role: row.get(column) for role, column in columns.items()}
        for role, cell in cells.items():
            if isinstance(cell, bool) or not isinstance(cell, str | int) or not str(cell).strip():
                empty = cell is None or isinstance(cell, str)
                reject(f"the {role} is {'empty' if empty else type_name(cell)}", line, row)
                break
        else:
            yield line, (str(cells["head"]), str(cells["relation"]), str(cells["tail"]))
