"""How items are shown in a report."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoint.data.items import Items
from counterpoint.report.thumbnails import thumbnail

SHOWN = 40
"""Thumbnails of a side on a map."""


def said(items: Items, row: int) -> str:
    """What an item is called: a text itself, anything else its name.

    Examples:
        >>> import torch
        >>> said(Items("text", ["a fox"]), 0), said(Items("entity", torch.arange(2)), 1)
        ('a fox', 'entity 1')
    """
    if items.modality == "text":
        return items.texts[row]
    return items.names[row] if items.names else f"{items.modality} {row}"


def picture_of(items: Items, row: int) -> str:
    """The thumbnail of a picture; "" for anything else.

    Examples:
        >>> import torch
        >>> picture_of(Items("text", ["a fox"]), 0), picture_of(Items("image", torch.zeros(1, 3, 8, 8)), 0)[:15]
        ('', 'data:image/png;')
    """
    return thumbnail(items.tensor[row].numpy()) if items.modality == "image" else ""


def some_pictures(*sides: tuple[Items, Sequence[int]]) -> tuple[str, ...]:
    """Thumbnails of some rows of each side, evenly chosen, and "" for the others; nothing where there is none."""
    found = [
        picture_of(items, row) if i % max(1, -(-len(rows) // SHOWN)) == 0 else ""
        for items, rows in sides
        for i, row in enumerate(rows)
    ]
    return tuple(found) if any(found) else ()


def unit(items: Items) -> str:
    """What these items are called in the plural, where figures are means over them.

    Examples:
        >>> unit(Items("text", ["a fox"])), unit(Items("series", []))
        ('texts', 'items')
    """
    return {"text": "texts", "image": "pictures", "entity": "entities", "query": "queries"}.get(items.modality, "items")
