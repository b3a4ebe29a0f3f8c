"""The folder of DiscoEval, in the layout in which it is handed out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from counterpoint.data._task_lines import lines_of, spaced, there
from counterpoint.errors import InputError

KINDS: Mapping[str, tuple[int, bool]] = {
    "SP": (5, True),
    "BSO": (2, False),
    "DC": (6, True),
    "SSP": (1, True),
    "PDTB": (2, True),
}
"""How many sentences a row has, and whether a label stands before them."""
LABELS: Mapping[str, tuple[str, ...]] = {"SP": ("0", "1", "2", "3", "4"), "DC": ("0", "1"), "SSP": ("0", "1")}
"""Of kinds that have no others."""
_PARTS = {"train": "train", "dev": "valid", "test": "test"}


@dataclass(frozen=True)
class DiscourseTask:
    """One of DiscoEval's tasks.

    Attributes:
        kind: `SP`, `BSO`, `DC`, `SSP` or `PDTB`.
        parts: Of `train`, `dev` and `test` the sentences of each row, all rows of one length.
        labels: Of the same the label of each row; of BSO, whose rows are in their order, "".
        source: The folder.
    """

    kind: str
    parts: Mapping[str, list[tuple[str, ...]]]
    labels: Mapping[str, list[str]]
    source: str = ""


def read_discourse_tasks(source: str | os.PathLike[str]) -> dict[str, DiscourseTask] | None:
    """Read DiscoEval's `data`, or any part of it; None where the source is something else.

    | folder with `train.txt`, `valid.txt` and `test.txt` | a row, between tabs |
    |---|---|
    | `SP/wiki`, `SP/arxiv`, `SP/rocstory` | the place of the first, 0 to 4; five sentences |
    | `BSO/wiki`, ... | two sentences in their order |
    | `DC/wiki`, `DC/chat` | 1 if coherent, else 0; six sentences |
    | `SSP/abs` | 1 or 0; one sentence |
    | `PDTB/Explicit`, `PDTB/Implicit` | the relation's number; two arguments |

    Tasks are called `SP wiki`, `PDTB Explicit`, ... Discourse relations of RST are handed out as pickles, which run
    code when they are read; they are not read here.

    Raises:
        InputError: A part is missing, a row has another number of fields or a label that there is not, or there is one
            label alone.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "BSO" / "wiki"
        >>> folder.mkdir(parents=True)
        >>> for part in ("train", "valid", "test"):
        ...     _ = (folder / f"{part}.txt").write_text("It rains .\\tSo we stay .\\n")
        >>> read_discourse_tasks(folder.parents[1])["BSO wiki"].parts["test"]
        [('It rains .', 'So we stay .')]
    """
    path, found = Path(source), dict[str, DiscourseTask]()
    if str(source).startswith("hf:") or not path.is_dir():
        return None
    above = path.resolve().name, path.resolve().parent.name
    for kind in KINDS:
        # the folder of all, one above it, that of the kind, or the task's own
        places = [*path.glob(f"{kind}/*"), *path.glob(f"*/{kind}/*"), *(path.glob("*") if above[0] == kind else [])]
        places += [path] if above[1] == kind else []
        for folder in sorted(p for p in places if any((p / f"{name}.txt").is_file() for name in _PARTS.values())):
            found[f"{kind} {folder.resolve().name}"] = _task(kind, folder)
    return found or None


def _task(kind: str, folder: Path) -> DiscourseTask:
    sentences, labelled = KINDS[kind]
    parts, labels = dict[str, list[tuple[str, ...]]](), dict[str, list[str]]()
    for part, name in _PARTS.items():
        file = there(folder / f"{name}.txt", f"{kind} {folder.name}")
        rows = [(line, [spaced(cell) for cell in text.split("\t")]) for line, text in lines_of(file) if text.strip()]
        for line, cells in rows:
            if len(cells) != sentences + labelled or not all(cells):
                what = f"{len(cells)} fields, or an empty one, where {sentences + labelled} belong"
                raise InputError(what, file=file, line=line, fix="correct the row")
        if not rows:
            raise InputError("no rows", file=file, fix="give some, or take the task away")
        for line, cells in rows:
            if cells[0] not in LABELS.get(kind, cells):
                known = ", ".join(LABELS[kind])
                raise InputError(f"the label {cells[0]!r} is none of {known}", file=file, line=line, fix="correct it")
        if labelled and part == "train" and len({cells[0] for _, cells in rows}) < 2:
            raise InputError("all labels are the same", file=file, fix="give rows of two labels or more")
        parts[part] = [tuple(cells[labelled:]) for _, cells in rows]
        labels[part] = [cells[0] if labelled else "" for _, cells in rows]
    return DiscourseTask(kind, parts, labels, os.fspath(folder))
