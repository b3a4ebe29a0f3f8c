"""What is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an index: its id, its text, and by name those of its columns that have a value."""

    id: str
    text: str
    columns: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found: its id, its score (higher is closer), its text, its columns."""

    id: str
    score: float
    text: str
    columns: dict[str, Any] = field(default_factory=dict, hash=False)
