"""What a procedure is, and several after each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points

Call: TypeAlias = Mapping[str, Any]
"""What the objective is called with: `queries`, and where there are some `keys`, `owned`, `guide`."""
Again: TypeAlias = Callable[[nn.Module], Call]
"""The same batch through another model, without gradient."""


def every_point(call: Call) -> Points:
    """The points of both sides, or of the one that there is."""
    return Points.cat([as_points(call[side]) for side in ("queries", "keys") if call.get(side) is not None])


def labelled_points(call: Call) -> Points:
    """The same, which must have a column `label`.

    Raises:
        InputError: They have none.
    """
    every = every_point(call)
    if "label" not in every.columns:
        raise InputError("points without labels are of no class", fix="pass Points(z, label=...)")
    return every


def are_own(first: Points, second: Points) -> bool:
    """Whether keys are of the queries one by one, in their order, as far as that is known by the column `sample`."""
    mine, its = (points.columns.get("sample") for points in (first, second))
    return len(first) == len(second) and (mine is None or its is None or torch.equal(mine, its))


def numbered(call: Call) -> tuple[Points, Points]:
    """Queries and keys with a column `sample`, so that more keys can be added: where there is none, by their places."""
    queries, keys = as_points(call["queries"]), as_points(call["keys"])
    if "sample" in keys.columns:
        return queries, keys
    first, second = (torch.arange(len(side), device=side.z.device) for side in (queries, keys))
    return queries.with_columns(sample=first), keys.with_columns(sample=second)


class Procedure(nn.Module):
    """What stands between an encoder's vectors and the objective, and what it keeps from step to step.

    The loop calls `start` once, the procedure itself on every batch, and `finish_step` after every step of the
    optimiser. Parameters are learned with the encoder's, parameters and buffers are kept in checkpoints. Procedures
    compose: `Chain(Teacher(0.99), Predictor(head), Queue(4096, 128))`.

    On several processes each sees the points of all of them, in the order of the batch, with the same random numbers,
    so that one is written as if there were one process.

    Examples:
        >>> Procedure()([{"queries": 1}], lambda model: {})
        [{'queries': 1}]
    """

    def start(self, model: nn.Module) -> None:
        """Before the first step.

        Args:
            model: Encoder and head, one after the other in an `nn.Sequential`.
        """

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """From calls of the objective to calls of the objective, whose losses are averaged.

        Args:
            calls: As the procedure before left them; at first one, what the batch says of the encoder's vectors.
            again: Encodes the same batch with another model.
        """
        del again
        return [self.change(call) for call in calls]

    def change(self, call: Call) -> Call:
        """What becomes of one call, where that is all there is to do."""
        return call

    def finish_step(self) -> None:
        """After a step of the optimiser."""


class Several(Procedure):
    """Holds procedures, and starts and finishes each; a subclass says what they do to calls.

    Args:
        *procedures: In order.
    """

    def __init__(self, *procedures: Procedure) -> None:
        super().__init__()
        self.procedures = nn.ModuleList(procedures)

    def _each(self) -> list[Procedure]:
        return [p for p in self.procedures if isinstance(p, Procedure)]

    def start(self, model: nn.Module) -> None:
        """Start each."""
        for procedure in self._each():
            procedure.start(model)

    def finish_step(self) -> None:
        """Finish each."""
        for procedure in self._each():
            procedure.finish_step()


class Chain(Several):
    """One procedure after another.

    Args:
        *procedures: In order.

    Examples:
        >>> from counterpoint.procedures import Predictor
        >>> len(Chain(Predictor(nn.Identity()), Predictor(nn.Identity())).procedures)
        2
    """

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """What one leaves is what the next one gets."""
        for procedure in self._each():
            calls = procedure(calls, again)
        return calls
