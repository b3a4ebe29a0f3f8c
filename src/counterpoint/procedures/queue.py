"""A queue: keys of past batches as further negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points, unmatched
from counterpoint.procedures._base import Call, Procedure


class Queue(Procedure):
    """The last `size` keys are negatives of every query.

    Without `in_batch`, as in MoCo, a query sees its own key and the queue, but not the other keys of its batch; the
    batch then needs its sides in the same order. Source: He et al. 2020, "Momentum Contrast for Unsupervised Visual
    Representation Learning", section 3.2 and algorithm 1. The queue begins empty, where theirs holds random vectors.

    Args:
        size: How many keys are kept, 1 or more.
        dim: Of the keys.
        in_batch: The batch's other keys are negatives, too.

    Raises:
        InputError: for a size below 1; in a call, for sides of different length without `in_batch`.

    Examples:
        >>> queue, batch = Queue(3, 2), {"queries": torch.eye(2), "keys": torch.eye(2)}
        >>> for _ in range(2):
        ...     (call,) = queue([batch], lambda model: {})
        ...     queue.finish_step()
        >>> tuple(call["owned"].z.shape), len(call["keys"])  # one positive each, and the first batch
        ((2, 1, 2), 2)
    """

    z: Tensor
    filled: Tensor

    def __init__(self, size: int, dim: int, *, in_batch: bool = False) -> None:
        super().__init__()
        if size < 1:
            raise InputError(f"the queue holds {size} keys, it must hold 1 or more", fix="4096 is common")
        self.in_batch = in_batch
        self.register_buffer("z", torch.zeros(size, dim))
        self.register_buffer("filled", torch.tensor(0))
        self._new: list[Tensor] = []

    def change(self, call: Call) -> Call:
        """The call with the queue among its keys."""
        keys = as_points(call["keys"])
        self._new.append(keys.z.detach())
        filled = bool(self.filled)
        past = unmatched(self.z[: int(self.filled)])
        if self.in_batch:
            return {**call, "keys": Points.cat([keys, past]) if filled else keys}
        queries = as_points(call["queries"])
        if len(queries) != len(keys):
            raise InputError(
                f"{len(queries)} queries and {len(keys)} keys: without in-batch negatives each query has one key",
                fix="use in_batch=True",
            )
        own = Points(keys.z[:, None], positive=torch.ones(len(keys), 1))
        out = {name: value for name, value in call.items() if name != "keys"}
        return {**out, "owned": own, **({"keys": past} if filled else {})}

    @torch.no_grad()
    def finish_step(self) -> None:
        """The newest keys come in, the oldest go."""
        new = torch.cat(self._new)
        self._new.clear()
        whole = torch.cat([new.to(self.z), self.z])
        self.z.copy_(whole[: len(self.z)])
        self.filled.fill_(min(len(self.z), int(self.filled) + len(new)))
