"""What networks eat, whatever it is: rows of it are taken, have a cost and are put together.

Inputs are a tensor whose first axis is items, the `Features` of texts, or an object with `take`, `cost` and `to` of its
own: the two sides of two towers, or a graph, which stays whole whatever rows are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.encoders import features
from counterpoint.encoders.features import Features


class OwnInputs(Protocol):
    """Inputs that know how their rows are taken, what they cost and how they are moved."""

    def take(self, rows: Int[Tensor, " b"]) -> Any:
        """The inputs of these rows."""
        ...

    def cost(self) -> Int[Tensor, " n"]:
        """What each costs to encode."""
        ...

    def to(self, device: torch.device) -> Any:
        """The same inputs on a device."""
        ...


Inputs: TypeAlias = Tensor | Features | OwnInputs


def take(inputs: Inputs, rows: Int[Tensor, " b"]) -> Inputs:
    """The inputs of some rows, in their order; uint8 becomes float32 from 0 to 1, so that pictures are kept small.

    Examples:
        >>> take(torch.tensor([[0], [255]], dtype=torch.uint8), torch.tensor([1, 1]))
        tensor([[1.],
                [1.]])
    """
    if isinstance(inputs, Tensor):
        chosen = inputs[rows]
        return chosen.float().div_(255) if chosen.dtype == torch.uint8 else chosen
    return features.take(inputs, rows) if isinstance(inputs, dict) else inputs.take(rows)


def cost(inputs: Inputs) -> Int[Tensor, " n"]:
    """What each row costs to encode: a text its tokens, a row of a tensor 1.

    Examples:
        >>> cost(torch.zeros(3, 8)).tolist()
        [1, 1, 1]
    """
    if isinstance(inputs, Tensor):
        return torch.ones(len(inputs), dtype=torch.long)
    return features.lengths(inputs).clamp_min(1) if isinstance(inputs, dict) else inputs.cost()


def moved(inputs: Any, device: torch.device) -> Any:
    """The inputs on a device, whatever they are made of; what has no `to`, such as a list, stays as it is.

    Examples:
        >>> moved((torch.zeros(1), {"side": torch.ones(2)}), torch.device("meta"))[1]["side"].device
        device(type='meta')
    """
    if isinstance(inputs, tuple):
        return tuple(moved(part, device) for part in inputs)
    if isinstance(inputs, dict):
        return {name: moved(part, device) for name, part in inputs.items()}
    return inputs.to(device) if hasattr(inputs, "to") else inputs


def cat(parts: Sequence[Tensor | Features]) -> Tensor | Features:
    """All rows of the first, then of the next.

    Examples:
        >>> cat([torch.zeros(1, 2), torch.zeros(2, 2)]).shape
        torch.Size([3, 2])
    """
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))  # type: ignore[arg-type]
    return features.concat(parts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sides:
    """Inputs of two towers as one: all rows for the first, then all for the second, or in another order.

    Attributes:
        parts: For each tower its inputs; None: none.
        order: `(n,)`: where each row stands in the parts, one after the other.
    """

    parts: tuple[Inputs | None, Inputs | None]
    order: Int[Tensor, " n"]

    @classmethod
    def of(cls, query: Inputs, document: Inputs | None) -> Sides:
        """The query tower's rows, then the document tower's."""
        more = 0 if document is None else len(cost(document))
        return cls((query, document), torch.arange(len(cost(query)) + more))

    def take(self, rows: Int[Tensor, " b"]) -> Sides:
        """The inputs of these rows, each still for its tower."""
        place = self.order[rows]
        sizes = [0 if part is None else len(cost(part)) for part in self.parts]
        mine = [(place < sizes[0]).nonzero()[:, 0], (place >= sizes[0]).nonzero()[:, 0]]
        parts = [
            take(part, place[here] - start) if part is not None and len(here) else None
            for part, here, start in zip(self.parts, mine, (0, sizes[0]), strict=True)
        ]
        return Sides((parts[0], parts[1]), torch.argsort(torch.cat(mine)))

    def cost(self) -> Int[Tensor, " n"]:
        """Of each row, by its tower's own measure."""
        return torch.cat([cost(part) for part in self.parts if part is not None])[self.order]

    def to(self, device: torch.device) -> Sides:
        """Both towers' inputs on a device."""
        return Sides(moved(self.parts, device), self.order)
