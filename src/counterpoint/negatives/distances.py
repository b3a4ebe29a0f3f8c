"""Pairs from vectors: what is near enough is a positive, what is far enough a negative, all else is neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.methods.teachers import teacher_vectors

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare
    from counterpoint.tasks import Encodes

_BLOCK = 1024


def near_and_far(
    z_nd: Float[Tensor, "n d"], near: float, far: float, generator: torch.Generator
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """For each row one other row whose distance is at most `near`, and one whose distance is above `far`, both drawn.

    Args:
        z_nd: Vectors.
        near: Euclidean distance.
        far: Likewise; not below `near`.
        generator: Of what is drawn.

    Returns:
        Rows; -1: there is none.

    Raises:
        InputError: What is far is nearer than what is near.

    Examples:
        >>> z = torch.tensor([[0.0], [0.1], [3.0]])
        >>> near, far = near_and_far(z, 0.5, 2.95, torch.Generator().manual_seed(0))
        >>> near.tolist(), far.tolist()
        ([1, 0, -1], [2, -1, 0])
    """
    if far < near:
        raise InputError(f"far is {far}, and near {near}", fix="let far be no less than near")
    chosen: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, len(z_nd), _BLOCK):
        block = z_nd[start : start + _BLOCK]
        distance = torch.cdist(block, z_nd, compute_mode="donot_use_mm_for_euclid_dist")
        drawn = torch.rand(distance.shape, generator=generator)
        itself = torch.arange(len(block))[:, None] + start == torch.arange(len(z_nd))
        for side, allowed in zip(chosen, ((distance <= near) & ~itself, distance > far), strict=True):
            value, row = torch.where(allowed, drawn, -1.0).max(1)
            side.append(torch.where(value < 0, -1, row))
    return torch.cat(chosen[0]), torch.cat(chosen[1])


def judged_by_distance(teacher: Callable[[], Encodes], near: float, far: float) -> Prepare:
    """Texts alone become tuples: of each a text that is near by a teacher's vectors, and one that is far.

    Those that have not both are left out.

    Args:
        teacher: Makes it, when it is first needed; a function with a name, by which its vectors are kept.
        near: See `near_and_far`.
        far: Likewise.

    Examples:
        >>> import numpy as np
        >>> from counterpoint.data.items import Items
        >>> class Lengths:
        ...     def encode_items(self, items):
        ...         return np.array([[len(text)] for text in items.texts], np.float32)
        >>> data = Data.alone(Items("text", ["ant", "bee", "some very long text"]))
        >>> found = judged_by_distance(Lengths, 1.0, 5.0)(data, nn.Identity(), 0)
        >>> found.schema, found.anchor.tolist(), found.positives.tolist(), found.negatives.tolist()
        ('tuples', [0, 1], [[1], [0]], [[2], [2]])
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        vectors = teacher_vectors(teacher)(data, encoder, seed).columns["vector"]
        positive, negative = near_and_far(vectors, near, far, torch.Generator().manual_seed(seed))
        there = (positive >= 0) & (negative >= 0)
        if not bool(there.any()):
            raise InputError("no text has both a near and a far one", file=data.source or None, fix="give more texts")
        near_n1, far_n1 = (data.anchor[rows[there]][:, None] for rows in (positive, negative))
        return Data(data.anchors, data.anchor[there], data.anchors, near_n1, far_n1, source=data.source)

    return prepare
