"""What a teacher makes of the items, once, before a stage of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from counterpoint.data.items import Data, Items

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare
    from counterpoint.tasks import Encodes


def teacher_vectors(teacher: Callable[[], Encodes], column: str = "vector") -> Prepare:
    """A column with what a teacher makes of each row's anchor.

    Within a process each item is encoded once by each teacher, however many trainings ask for it.

    Args:
        teacher: Makes it, when it is first needed; a function with a name, by which its vectors are kept.
        column: Where they are put, `(n, d)`.

    Examples:
        >>> class Lengths:
        ...     def encode_items(self, items):
        ...         return np.array([[len(text), 1] for text in items.texts], np.float32)
        >>> data = Data.alone(Items("text", ["ant", "eagle"]))
        >>> teacher_vectors(Lengths)(data, nn.Identity(), 0).columns["vector"].tolist()
        [[3.0, 1.0], [5.0, 1.0]]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        used, place = data.anchor.unique(return_inverse=True)
        vectors = torch.from_numpy(_vectors(teacher, data.anchors[used]))
        return replace(data, columns={**data.columns, column: vectors[place]})

    return prepare


def own_vectors(column: str = "vector") -> Prepare:
    """A column with what the encoder makes of each row's anchor, as it is before the stage: its own teacher.

    Args:
        column: Where they are put, `(n, d)`.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> data = Data.alone(Items("text", ["ant", "eagle", "ant"]))
        >>> encoder = StaticEncoder.from_corpus(["ant", "eagle"], dim=4)
        >>> z = own_vectors()(data, encoder, 0).columns["vector"]
        >>> torch.equal(z[0], z[2]), torch.equal(z[0], z[1])
        (True, False)
    """

    def prepare(data: Data, encoder: Any, seed: int) -> Data:
        del seed
        used, place = data.anchor.unique(return_inverse=True)
        vectors = torch.from_numpy(encoder.encode_items(data.anchors[used]))
        return replace(data, columns={**data.columns, column: vectors[place]})

    return prepare


def _vectors(teacher: Callable[[], Encodes], items: Items) -> Float[np.ndarray, "n d"]:
    known, hashes = _known(teacher), items.hashes().tolist()
    new = {key: place for place, key in enumerate(hashes) if key not in known}
    if new:
        found = _made(teacher).encode_items(items[torch.tensor(list(new.values()))])
        known.update(zip(new, found.astype(np.float32), strict=True))
    return np.stack([known[key] for key in hashes])


@cache
def _made(teacher: Callable[[], Encodes]) -> Encodes:
    return teacher()


@cache
def _known(teacher: Callable[[], Encodes]) -> dict[int, Float[np.ndarray, " d"]]:
    """By the hash of the item."""
    del teacher
    return {}
