"""How items are shown in a report."""

from __future__ import annotations

from counterpoint.data.items import Items


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
