"""Rows of several tasks in one batch, or in batches of their own."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import as_points
from counterpoint.procedures._base import Again, Call, Several, are_own


class ByTask(Several):
    """Rows of each task go a way of their own, and see no rows of other tasks.

    A pair is of the task that its query says in the column `task`: 0 is for the first procedure, and so on. What the
    procedures give are calls of their own; of a batch with several tasks the loss is the mean over the calls, and with
    `Stage(together="task")` each batch is of one task. Source: a single encoder that feeds several tasks is Cer et al.
    2018, "Universal Sentence Encoder".

    Args:
        *procedures: One a task; those of tasks that a batch lacks are not called.

    Raises:
        InputError: in a call, for queries without the column or with tasks that there are not, or keys that are not
            one a query.

    Examples:
        >>> import torch
        >>> from counterpoint.points import Points
        >>> from counterpoint.procedures import Procedure
        >>> first = Points(torch.eye(3), task=torch.tensor([1, 0, 1]))
        >>> calls = ByTask(Procedure(), Procedure())([{"queries": first, "keys": torch.eye(3)}], lambda model: {})
        >>> [len(call["keys"]) for call in calls]
        [1, 2]
    """

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """The calls of the first task, then those of the next."""
        made = list[Call]()
        for number, procedure in enumerate(self._each()):
            parts = [self._of(call, number) for call in calls]
            if there := [part for part in parts if len(part["queries"])]:
                made += procedure(there, lambda model, number=number: self._of(again(model), number))
        return made

    def _of(self, call: Call, number: int) -> Call:
        """What is of one task."""
        queries = as_points(call["queries"])
        task = queries.columns.get("task")
        if task is None or (len(task) and not 0 <= int(task.min()) <= int(task.max()) < len(self.procedures)):
            raise InputError(
                f"queries do not say which of {len(self.procedures)} tasks they are of",
                fix="give them a column 'task', numbered from 0",
            )
        if call.get("keys") is None or not are_own(queries, as_points(call["keys"])):
            raise InputError("tasks are of queries with one key each", fix="give pairs")
        mine: Bool[Tensor, " n"] = task == number
        return {"queries": queries[mine], "keys": as_points(call["keys"])[mine]}
