"""Two towers: one encoder for queries and one for documents, of one modality or of two."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders.features import Features, Kind
from counterpoint.encoders.inputs import Inputs, Sides, take
from counterpoint.encoders.saving import Saved
from counterpoint.errors import InputError


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


class Towers(Saved):
    """Two encoders whose vectors are compared with each other: CLIP's of pictures and of captions, DPR's two BERTs.

    Saved, it is a folder with the two models `query/` and `document/`.

    Args:
        query: For items of the kind "query".
        document: For all others; a copy of `query` if not given.

    Raises:
        InputError: Vectors of different widths.

    Examples:
        >>> from counterpoint.encoders import ImageEncoder, StaticEncoder
        >>> captions = StaticEncoder.from_corpus(["a cat", "a dog"], dim=16, prompts={})
        >>> towers = Towers(ImageEncoder(3, widths=(8, 16)), captions)
        >>> towers.modality("query"), towers.modality("document"), towers.dim
        ('image', 'text', 16)
    """

    def __init__(self, query: nn.Module, document: nn.Module | None = None) -> None:
        super().__init__()
        self.query, self.document = query, copy.deepcopy(query) if document is None else document
        widths = [tower.dim for tower in (self.query, self.document)]
        if len(set(widths)) > 1:
            raise InputError(f"vectors of {widths[0]} and of {widths[1]} dimensions", fix="give them one width")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.query.dim)  # type: ignore[arg-type]

    @property
    def similarity(self) -> str:
        """What their vectors are compared with: as the tower of the queries says, else the cosine."""
        return str(getattr(self.query, "similarity", "cosine"))

    def side(self, kind: Kind) -> Any:
        """The tower of a kind."""
        return self.query if kind == "query" else self.document

    def modality(self, kind: Kind) -> str:
        """Of the items of a kind."""
        return str(self.side(kind).modality)

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """Token ids by the tower of that kind, which `side` tells: 0 query, 1 document."""
        features: Features = self.side(kind).tokenize(texts, kind)
        return features | {"side": torch.full((len(texts),), int(kind != "query"))}

    def forward(self, inputs: Sides | Features) -> Float[Tensor, "n d"]:
        """One vector a row, each from its side's tower."""
        sides = _sides(inputs) if isinstance(inputs, dict) else inputs
        z = [
            tower(part)
            for tower, part in zip((self.query, self.document), sides.parts, strict=True)
            if part is not None
        ]
        both = z[0] if len(z) == 1 else torch.cat([part.float() for part in z])
        return both[sides.order.to(both.device)]

    def encode(self, texts: Any, *, kind: Kind = None, **options: Any) -> Float[np.ndarray, "n d"]:
        """By the tower of that kind: texts, or the pixels of images."""
        return self.side(kind).encode(texts, kind=kind, **options)  # type: ignore[no-any-return]

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """By the tower of that kind, or of the other where only that takes such items: any item asks, any answers.

        Raises:
            InputError: Items that neither takes.
        """
        sides: tuple[Any, ...] = (self.side(kind), self.query, self.document)
        for tower in sides:
            if tower.modality == items.modality:
                return tower.encode_items(items, kind=kind)  # type: ignore[no-any-return]
        takes = " and ".join(dict.fromkeys(str(tower.modality) for tower in (self.query, self.document)))
        raise InputError(f"items are {items.modality}, and the model takes {takes}", fix="give such items")


class Projected(Saved):
    """A tower whose vectors a matrix brings to another width, `W z`: CLIP's linear projections (Radford et al. 2021).

    Args:
        encoder: The tower.
        dim: Of the vectors.

    Examples:
        >>> from counterpoint.encoders import ImageEncoder
        >>> projected = Projected(ImageEncoder(3, widths=(8, 16)), 4)
        >>> projected.modality, projected.encode(torch.zeros(2, 3, 8, 8)).shape
        ('image', (2, 4))
    """

    def __init__(self, encoder: nn.Module, dim: int) -> None:
        super().__init__()
        self.encoder, self.dim = encoder, dim
        self.modality = str(encoder.modality)
        self.linear = nn.Linear(int(encoder.dim), dim, bias=False)  # type: ignore[arg-type]

    def inputs(self, items: Items, kind: Kind = None) -> Inputs:
        """What the tower makes of them."""
        return self.encoder.inputs(items, kind)  # type: ignore[operator, no-any-return]

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """By the tower, where it is of texts."""
        return self.encoder.tokenize(texts, kind)  # type: ignore[operator, no-any-return]

    def forward(self, inputs: Any) -> Float[Tensor, "n d"]:
        """One vector an item, with gradient; not normalised."""
        z: Tensor = self.linear(self.encoder(inputs))
        return z

    def encode(self, texts: Any, *, kind: Kind = None, **options: Any) -> Float[np.ndarray, "n d"]:
        """One float32 vector each, without gradient; `options` for the tower's own `encode`.

        Raises:
            InputError: An option of what is made of finished vectors.
        """
        if finished := sorted(options.keys() & {"truncate_dim", "precision", "ranges", "out"}):
            raise InputError(f"{finished[0]} is not for projected vectors", fix="leave it out")
        return self._project(self.encoder.encode(texts, kind=kind, **options))  # type: ignore[operator]

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """`encode` of items."""
        return self._project(self.encoder.encode_items(items, kind=kind))  # type: ignore[operator]

    def _project(self, z: Float[np.ndarray, "n e"]) -> Float[np.ndarray, "n d"]:
        return z @ self.linear.weight.detach().float().cpu().numpy().T  # type: ignore[no-any-return]


def _sides(features: Features) -> Sides:
    """Of texts in the order of rows, each with its side."""
    side = features["side"]
    rest = {key: value for key, value in features.items() if key != "side"}
    rows = [(side == i).nonzero()[:, 0] for i in (0, 1)]
    query, document = (take(rest, mine) if len(mine) else None for mine in rows)
    return Sides((query, document), torch.argsort(torch.cat(rows)))
