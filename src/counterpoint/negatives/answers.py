"""Pairs that somebody was asked about: an oracle says whether two items are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.methods import Prepare

Partner: TypeAlias = Callable[[Data, nn.Module, torch.Generator], Int[Tensor, " n"]]
"""From rows and the encoder as it is to another row for each, to be asked about."""


def at_random(data: Data, encoder: nn.Module, generator: torch.Generator) -> Int[Tensor, " n"]:
    """Any other row."""
    del encoder
    n = len(data)
    return (torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n


def nearest(data: Data, encoder: Any, generator: torch.Generator) -> Int[Tensor, " n"]:
    """The row that is most similar, in the eyes of the encoder."""
    del generator
    z = F.normalize(torch.from_numpy(encoder.encode_items(data.anchors[data.anchor])), dim=1)
    found: Int[Tensor, " n"] = (z @ z.T).fill_diagonal_(-torch.inf).argmax(1)
    return found


def of_one_class(data: Data, encoder: nn.Module, generator: torch.Generator) -> Int[Tensor, " n"]:
    """Any other row of the same label, itself where there is none: who asks this knows the answers."""
    del encoder
    label, found = data.columns["label"], torch.arange(len(data))
    for each in label.unique():
        rows = (label == each).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        found[rows] = rows.roll(1)
    return found


def asked(partner: Partner, share: float, *, shuffled: bool = False) -> Prepare:
    """A step: each row becomes a pair of itself and another view, or a row that an oracle said to be the same.

    Of so many rows it is asked whether their partner is of their class (column `label`); a row whose answer is yes
    becomes a pair with that partner. What is the same as the same is not concluded to be the same.

    Args:
        partner: Whom a question is about.
        share: How many rows are asked about, from 0 to 1, drawn by the seed.
        shuffled: The partners of the answers that are yes change places among each other, so that the answers are
            wrong: a control.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> pictures = Items("image", torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
        >>> data = Data.alone(pictures, label=torch.tensor([0, 0, 1]))
        >>> asked(of_one_class, 1.0)(data, nn.Identity(), 0).positives.tolist()
        [[1], [0], [2]]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        generator = torch.Generator().manual_seed(seed)
        itself, label = torch.arange(len(data)), data.columns["label"]
        # first, so that it is the same rows whoever the partners are
        rows = torch.randperm(len(data), generator=generator)[: round(share * len(data))]
        found = partner(data, encoder, generator)
        yes = rows[label[rows] == label[found[rows]]]
        said = itself.clone()
        said[yes] = found[yes].roll(len(yes) // 2) if shuffled else found[yes]
        return replace(data, others=data.anchors, positives=data.anchor[said][:, None])

    return prepare
