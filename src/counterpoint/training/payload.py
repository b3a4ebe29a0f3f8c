"""What a step works on: inputs to encode in chunks, and how their vectors become the objective's arguments."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

Arguments = Mapping[str, Any]
"""`queries`, and where there are some `keys`, `owned`, `guide`: what an objective is called with."""


@dataclass(frozen=True)
class Payload:
    """One batch, before encoding.

    Attributes:
        inputs: All inputs of the batch, of every side.
        cost: What each costs to encode (its tokens, say), `(n,)`.
        take: From `inputs` and rows to the inputs of those rows.
        arguments: From the vectors of all inputs, in order, to the objective's arguments.
        views: How many inputs each view, or side, has, in order: what a head sees together if it is `PerView`.
    """

    inputs: Any
    cost: Int[Tensor, " n"]
    take: Callable[[Any, Tensor], Any]
    arguments: Callable[[Float[Tensor, "n *d"]], Arguments]
    views: tuple[int, ...] = ()

    def chunks(self, budget: int) -> list[Tensor]:
        """Rows to encode together: of like cost, so that little is padded, and at most `budget` in all (or one row).

        Examples:
            >>> payload = Payload(None, torch.tensor([5, 1, 4, 2]), lambda x, rows: x, lambda z: {})
            >>> [rows.tolist() for rows in payload.chunks(6)]
            [[1, 3], [2], [0]]
        """
        order = torch.argsort(self.cost, stable=True)
        chunks: list[list[int]] = [[]]
        widest = 0
        for row, cost in zip(order.tolist(), self.cost[order].tolist(), strict=True):
            widest = max(widest, cost)
            if chunks[-1] and widest * (len(chunks[-1]) + 1) > budget:
                chunks.append([])
                widest = cost
            chunks[-1].append(row)
        return [torch.tensor(rows, dtype=torch.long) for rows in chunks]


class Batches(abc.ABC):
    """A training set: how many examples there are, and the payload of some of them.

    Attributes:
        groups: A number of each example's group, if every batch is to be drawn from one group; None: from all.
    """

    groups: Int[Tensor, " n"] | None = None

    @abc.abstractmethod
    def __len__(self) -> int:
        """Examples."""

    def begin(self, step: int, steps: int) -> None:
        """Called before each step, with how many were taken, of how many; what changes then is kept in buffers."""
        del step, steps

    @abc.abstractmethod
    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The batch of these examples; random choices follow torch's global random state.

        Args:
            rows: The examples that are encoded here.
            among: The whole batch, where other processes encode the rest of it.
        """
