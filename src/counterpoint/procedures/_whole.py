"""A procedure sees the whole batch, of all processes, so that what it makes does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.objectives._layouts import Guide
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Again, Call, Procedure

if TYPE_CHECKING:
    from counterpoint.training._processes import Processes


def on_whole_batch(procedure: Procedure, calls: list[Call], again: Again, processes: Processes) -> list[Call]:
    """What a procedure makes of the calls of all processes, each of which keeps its share of the points.

    All do the same work, with the same random numbers, and so remember the same. The gradient of a parameter, or of a
    process's own vectors, is to be summed over processes like all others; the vectors' is, as they are gathered.

    Args:
        procedure: It.
        calls: Of the objective, with this process's points.
        again: Encodes this process's part of the batch with another model.
        processes: Of the run.
    """
    made: list[Call]
    if processes.group is None:
        made = procedure(calls, again)
        return made
    with distributed.alike(as_points(calls[0]["queries"]).z.device, processes.group):
        made = procedure(
            [_everybody(call, processes) for call in calls], lambda model: _everybody(again(model), processes)
        )
    return [_each(call, lambda points, _side: processes.share(points)) for call in made]


def _everybody(call: Call, processes: Processes) -> Call:
    order: dict[str, Tensor] = {}

    def gathered(points: Points, side: str) -> Points:
        every = distributed.gather(points, processes.group)
        return every[order.setdefault(side, _as_one_process(every))]

    return _each(call, gathered)


def _as_one_process(points: Points) -> Int[Tensor, " n"]:
    """The order in which one process has them: view after view, and what matches nobody at the end."""
    nothing = torch.zeros(len(points), dtype=torch.long, device=points.z.device)
    view, sample = (points.columns.get(name, nothing) for name in ("view", "sample"))
    return torch.argsort(2 * view + (sample < 0), stable=True)


def _each(call: Call, change: Callable[[Points, str], Points]) -> Call:
    """The call with all that has a row for each point of a side, the side's points first."""
    made = dict(call)
    for name in ("queries", "keys", "owned"):
        if call.get(name) is not None:
            made[name] = change(as_points(call[name]), "keys" if name == "keys" else "queries")
    if (guide := call.get("guide")) is not None:
        parts = {name: getattr(guide, name) for name in ("queries", "keys", "owned")}
        made["guide"] = Guide(**{
            name: None if z is None else change(Points(z), "keys" if name == "keys" else "queries").z
            for name, z in parts.items()
        })  # fmt: skip
    return made
