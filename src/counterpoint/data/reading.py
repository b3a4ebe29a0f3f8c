"""How a source is read, by those that say it once for whatever the source is."""

from __future__ import annotations

from dataclasses import dataclass, field

from counterpoint.data.schema import ColumnMap
from counterpoint.data.types import Progress, Rejects
from counterpoint.errors import InputError


@dataclass(frozen=True)
class Reading:
    """How a source is read; `load_source` says what each is."""

    columns: ColumnMap = field(default_factory=dict)
    schema: str | None = None
    split: str | None = None
    size: int | None = None
    skip_bad: bool = False
    progress: Progress | None = None

    def rejects(self, source: str) -> Rejects:
        """What to do with the bad rows of a source."""
        return Rejects(source, self.skip_bad)

    def check(self, source: str, what: str, *used: str) -> None:
        """Refuse options that do not apply, rather than leave them unread.

        Raises:
            InputError: An option other than those that are used is given.

        Examples:
            >>> Reading(size=32).check("a.tsv", "texts", "columns")
            Traceback (most recent call last):
            counterpoint.errors.InputError: a.tsv: size= does not apply to texts; leave it out.
        """
        for option in ("columns", "schema", "split", "size"):
            if option not in used and getattr(self, option) not in (None, {}):
                raise InputError(f"{option}= does not apply to {what}", file=source, fix="leave it out")
