"""Two towers: one encoder for queries and one for documents, of one modality or of two."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders.features import Kind
from counterpoint.encoders.inputs import Inputs, Sides
from counterpoint.errors import InputError
from counterpoint.files import atomic, check_output


@runtime_checkable
class Tower(Protocol):
    """What turns items of one modality into vectors; a `torch.nn.Module`.

    Attributes:
        modality: Of the items that it takes.
        dim: Of the vectors.
    """

    modality: str

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    def inputs(self, items: Items, kind: Kind = None) -> Inputs:
        """What `forward` eats, of items of a kind; made once a data set, rows are then taken."""

    def forward(self, inputs: Any) -> Float[Tensor, "n d"]:
        """One vector an item, with gradient."""

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One float32 vector an item, without gradient."""

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a model folder that `counterpoint.encoders.load` reads."""


class Towers(nn.Module):
    """Two encoders whose vectors are compared with each other, such as CLIP's of pictures and of captions.

    Saved, it is a folder with the two models `query/` and `document/`.

    Args:
        query: For items of the kind "query".
        document: For all others.

    Raises:
        InputError: Vectors of different widths.

    Examples:
        >>> from counterpoint.encoders import ImageEncoder, StaticEncoder
        >>> captions = StaticEncoder.from_corpus(["a cat", "a dog"], dim=16, prompts={})
        >>> towers = Towers(ImageEncoder(3, widths=(8, 16)), captions)
        >>> towers.modality("query"), towers.modality("document"), towers.dim
        ('image', 'text', 16)
    """

    def __init__(self, query: nn.Module, document: nn.Module) -> None:
        super().__init__()
        self.query, self.document = query, document
        widths = [tower.dim for tower in (query, document)]
        if len(set(widths)) > 1:
            raise InputError(f"vectors of {widths[0]} and of {widths[1]} dimensions", fix="give them one width")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.query.dim)  # type: ignore[arg-type]

    def side(self, kind: Kind) -> Any:
        """The tower of a kind."""
        return self.query if kind == "query" else self.document

    def modality(self, kind: Kind) -> str:
        """Of the items of a kind."""
        return str(self.side(kind).modality)

    def forward(self, inputs: Sides) -> Float[Tensor, "n d"]:
        """One vector a row, each from its side's tower."""
        z = [
            tower(part)
            for tower, part in zip((self.query, self.document), inputs.parts, strict=True)
            if part is not None
        ]
        both = z[0] if len(z) == 1 else torch.cat([part.float() for part in z])
        return both[inputs.order.to(both.device)]

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """By the tower of that kind."""
        return self.side(kind).encode_items(items, kind=kind)  # type: ignore[no-any-return]

    def save(self, folder: str | PathLike[str]) -> None:
        """Write both models, `query/` and `document/`.

        Raises:
            InputError: The folder holds something else or cannot be written.
        """
        check_output(folder, "replaced folder", ours=("query", "document"))
        with atomic(Path(folder)) as part:
            part.mkdir()
            self.query.save(part / "query")  # type: ignore[operator]
            self.document.save(part / "document")  # type: ignore[operator]
