"""Items of two kinds, each with a soft view: contrast between the kinds and within each, with a teacher and queues."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures._base import Again, Call, Procedure, every_point
from counterpoint.procedures.queue import Queue
from counterpoint.procedures.siamese import Teacher


class TwoKinds(Procedure):
    """Queries and codes, say, find each other and each other's soft views, and each its own soft view.

    A row has four views: an item of the first kind `q`, one of the second `c`, and a soft view of each, `q~` and `c~`,
    which a teacher encodes (`teacher <- decay * teacher + (1 - decay) * encoder` after each step). The calls are
    `L(c, q)`, `L(c, q~)`, `L(q, c)`, `L(q, c~)` between the kinds, and `L(c, c~)` and `L(q, q~)` within each, whose
    mean is the loss. Keys are those of the batch, with gradient where they are the encoder's own, and a queue of the
    past ones for each of `q`, `c`, `q~`, `c~`.

    Source: Shi et al. 2023, "CoCoSoDa: Effective Contrastive Learning for Code Search", as in the authors' code
    (model.py, `Multi_Loss_CoCoSoDa`). The queues begin empty, where theirs hold random vectors. Both models encode all
    four views, and use what is named here.

    Args:
        size: Of each queue, 1 or more.
        dim: Of the vectors.
        decay: Above 0 and below 1.
        within: Also each item with its own soft view.

    Raises:
        InputError: for a size or a decay out of its range; in a call, for points that do not have four views.

    Examples:
        >>> kinds, model = TwoKinds(4, 2), nn.Sequential(nn.Identity(), nn.Identity())
        >>> kinds.start(model)
        >>> batch = {"queries": Points(torch.randn(8, 2), sample=torch.arange(8) % 2, view=torch.arange(8) // 2)}
        >>> for _ in range(2):
        ...     calls = kinds([batch], lambda model: batch)
        ...     kinds.finish_step()
        >>> [len(call["keys"]) for call in calls]  # the batch's two, and those before
        [4, 4, 4, 4, 4, 4]
    """

    def __init__(self, size: int, dim: int, *, decay: float = 0.999, within: bool = True) -> None:
        super().__init__()
        if not decay:
            raise InputError("the teacher's decay is 0, it must be above 0", fix="0.999 is common")
        self.teacher, self.within = Teacher(decay), within
        self.queues = nn.ModuleList(Queue(size, dim, in_batch=True) for _ in range(4))

    def start(self, model: nn.Module) -> None:
        """The teacher begins as the encoder is."""
        self.teacher.start(model)

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """A call for every two views that are contrasted."""
        (call,) = calls
        assert self.teacher.model is not None  # it has been started
        q, c, _, _ = _views(call)
        _, _, soft_q, soft_c = _views(again(self.teacher.model))
        keys = []
        for queue, side in zip(self.queues, (q, c, soft_q, soft_c), strict=True):
            assert isinstance(queue, Queue)
            keys.append(queue.change({"queries": side, "keys": side})["keys"])
        pairs = [(c, 0), (c, 2), (q, 1), (q, 3), *([(c, 3), (q, 2)] if self.within else [])]
        return [{"queries": side, "keys": keys[other]} for side, other in pairs]

    @torch.no_grad()
    def finish_step(self) -> None:
        """The teacher follows, and the newest come in."""
        self.teacher.finish_step()
        for queue in self.queues:
            assert isinstance(queue, Queue)
            queue.finish_step()


def _views(call: Call) -> list[Points]:
    every = every_point(call)
    view = every.columns.get("view")
    sides = [] if view is None else [every[view == number] for number in range(4)]
    if len(set(map(len, sides))) != 1:
        raise InputError("two kinds with a soft view of each are four views of a row", fix="use a stage with views=4")
    return sides
