"""What a reader gives, whatever the source: rows over items, and how they were understood."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from counterpoint.data.items import Data
from counterpoint.data.types import Rejected, Retrieval, TextData, write_rejects

SourceKind = Literal["texts", "pictures", "pictures with texts", "triples"]
"""What a source holds; triples (head, relation, tail) are a knowledge graph."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a source holds.

    Attributes:
        kind: What the source is.
        data: All rows; where the source names its parts (`train`, `valid`, `test`) those of training.
        source: Where they came from.
        dev: The rows to validate by, where the source names them.
        test: The same of the rows to measure by. Triples of all parts are rows over the same items; all other parts
            have items of their own. Classes have the same numbers in all.
        columns: Role ("image", "text", "head", ...) -> the column it was read from.
        notes: What else was noticed or done (pictures resized, no header, ...), said by `describe`.
        rejected: The rows left out under `skip_bad`, with their reasons.
        sources: The names behind the numbers in the column `source`, where there are several.
        texts: Of texts: what `read` gave.
        relations: Of triples: what each relation is called; number `r + len(relations)` is the inverse of `r`.
        descriptions: Of triples: what the file `entity2text` says of each entity, "" where it says nothing; or none.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> import torch
        >>> loaded = Loaded("pictures", Data.alone(Items("image", torch.zeros(2, 1, 8, 8))), "a.npz")
        >>> loaded.describe()
        'read 2 pictures of 8 x 8 pixels, grey, from a.npz'
    """

    kind: SourceKind
    data: Data
    source: str
    dev: Data | None = None
    test: Data | None = None
    columns: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rejected: list[Rejected] = field(default_factory=list)
    sources: tuple[str, ...] = ()
    texts: TextData | Retrieval | None = None
    relations: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()

    def describe(self, listed: str | os.PathLike[str] | None = None) -> str:
        """What was read and how it was understood, in one sentence without a full stop.

        Args:
            listed: Where the rows that were left out are listed, if there are any; see `account`.
        """
        if self.texts is not None:
            from counterpoint.data.summary import describe

            return "; ".join([describe(self.texts, listed), *self.notes])
        said = f"read {self._what()} from {self.source}"
        parts = {"validation": self.dev, "test": self.test}
        more = [f"{_rows(self.kind, part):,} of {name}" for name, part in parts.items() if part is not None]
        said += f" (and {', '.join(more)})" if more else ""
        columns = ", ".join(f"{role} = {column!r}" for role, column in self.columns.items())
        about = "; ".join(filter(None, (columns, *self.notes)))
        bad = len(self.rejected)
        left = f"; {bad:,} row{'s' * (bad != 1)} left out" if bad else ""
        left += f", listed with the reasons in {os.fspath(listed)}" if bad and listed is not None else ""
        return f"{said}{': ' * bool(about)}{about}{left}"

    def account(self, listed: str | os.PathLike[str]) -> str:
        """`describe`, once the rows that were left out are written to the file `listed`, with their reasons."""
        if self.rejected:
            write_rejects(self.rejected, listed)
        return self.describe(listed)

    def _what(self) -> str:
        data, n = self.data, _rows(self.kind, self.data)
        if self.kind == "triples":
            return f"{n:,} triples of {_entities(data):,} entities and {len(self.relations):,} relations"
        if data.anchors.modality != "image":
            return f"{n:,} row{'s' * (n != 1)}"
        pictures = data.anchors.tensor
        colour = "grey" if pictures.shape[1] == 1 else "in colour"
        size = f"of {pictures.shape[3]} x {pictures.shape[2]} pixels, {colour}"
        if data.others is not None:
            shown = f"{len(pictures):,} pictures {size}, and {len(data.others):,} texts"
            return f"{n:,} pairs of {shown},"
        classes = f", in {len(data.classes):,} classes" if data.classes else ""
        return f"{n:,} picture{'s' * (n != 1)} {size}{classes},"


def _rows(kind: SourceKind, data: Data) -> int:
    # a triple is two rows, one a direction
    return len(data) // 2 if kind == "triples" else len(data)


def _entities(data: Data) -> int:
    assert data.others is not None
    return len(data.others)
