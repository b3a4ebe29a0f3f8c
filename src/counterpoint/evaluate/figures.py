"""What an evaluation gives: figures with their intervals and per-item values, as JSON if need be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoint.errors import InputError


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value lies with probability `level`, as far as the items were drawn at random."""

    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"[{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure over `n` items.

    Attributes:
        name: What it is, such as "mrr@10".
        value: The figure over all items.
        values: What it is computed from, one an item: for a mean, what is averaged; for a correlation or F1, what the
            system said (of sets of labels a row of 0 and 1).
        reference: For a correlation or F1: what is right, one an item. Empty for a mean.
        items: What the items are called (query ids), if they have names.
        statistic: "mean", "pearson", "spearman", "macro_f1", "micro_f1", "average_precision" or "effect_size": how
            `value` comes from `values`.
        interval: The interval of `value`, if one was taken.

    Examples:
        >>> print(Figure("recall@1", 0.5, np.array([1.0, 0.0])))
        recall@1 0.5000 (n = 2)
    """

    name: str
    value: float
    values: np.ndarray
    reference: np.ndarray = field(default_factory=lambda: np.empty(0))
    items: tuple[str, ...] = ()
    statistic: str = "mean"
    interval: Interval | None = None

    @property
    def n(self) -> int:
        """How many items it is over."""
        return len(self.values)

    def __str__(self) -> str:
        interval = f" {self.interval}" if self.interval else ""
        return f"{self.name} {self.value:.4f}{interval} (n = {self.n})"

    def to_json(self, *, items: bool = True) -> dict[str, Any]:
        """A JSON object; `items=False` leaves out what is per item."""
        interval = self.interval
        about: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "n": self.n,
            "statistic": self.statistic,
            "interval": interval and [interval.low, interval.high],
            "level": interval and interval.level,
        }
        if items:
            about["values"] = self.values.tolist()
            about["reference"] = self.reference.tolist()
            about["items"] = list(self.items)
        return about

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Figure:
        """Read what `to_json` wrote, with its items.

        Raises:
            InputError: A part is missing or of the wrong type.
        """
        try:
            interval = about["interval"]
            return cls(
                name=str(about["name"]),
                value=float(about["value"]),
                values=np.asarray(about["values"]),
                reference=np.asarray(about["reference"]),
                items=tuple(about["items"]),
                statistic=str(about["statistic"]),
                interval=Interval(interval[0], interval[1], about["level"]) if interval else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a figure with its items ({error!r})", fix="write it with to_json()") from error


@dataclass(frozen=True)
class Result(Mapping[str, Figure]):
    """The figures of one evaluation, by name.

    Attributes:
        task: "retrieval", "sts", "classification", "clustering", "pair classification", "bitext", ...
        source: What it was measured on.
        figures: Name -> figure.
        notes: What a reader should know: items left out, convergence.

    Examples:
        >>> result = Result("retrieval", "a test", {"hit@1": Figure("hit@1", 1.0, np.ones(3))})
        >>> result["hit@1"].value, result.to_json(items=False)["figures"][0]["n"]
        (1.0, 3)
    """

    task: str
    source: str
    figures: dict[str, Figure]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Figure:
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def to_json(self, *, items: bool = True) -> dict[str, Any]:
        """A JSON object; `items=False` leaves out what is per item."""
        return {
            "task": self.task,
            "source": self.source,
            "notes": list(self.notes),
            "figures": [figure.to_json(items=items) for figure in self.figures.values()],
        }

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Result:
        """Read what `to_json` wrote, with its items.

        Raises:
            InputError: A part is missing or of the wrong type.
        """
        try:
            figures = [Figure.from_json(figure) for figure in about["figures"]]
            task, source, notes = about["task"], about["source"], tuple(about["notes"])
        except (KeyError, TypeError) as error:
            raise InputError(f"not a result ({error!r})", fix="write it with to_json()") from error
        return cls(task, source, {figure.name: figure for figure in figures}, notes)


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one system's figure is above another's on the same items.

    Attributes:
        name: The figure compared.
        value: Second minus first.
        interval: Its paired bootstrap interval.
        p: Two-sided bootstrap p-value of no difference.
        n: How many items.
    """

    name: str
    value: float
    interval: Interval
    p: float
    n: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval.low > 0 or self.interval.high < 0

    def __str__(self) -> str:
        verdict = "clear" if self.clear else "not clear"
        return f"{self.name} {self.value:+.4f} {self.interval} ({verdict}, n = {self.n})"

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "name": self.name,
            "value": self.value,
            "interval": [self.interval.low, self.interval.high],
            "level": self.interval.level,
            "p": self.p,
            "clear": self.clear,
            "n": self.n,
        }
