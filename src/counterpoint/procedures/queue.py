"""A queue: keys of past batches as further negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points, unmatched
from counterpoint.procedures._base import Again, Call, Procedure
from counterpoint.procedures.siamese import Teacher


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
        return self.with_past(call, as_points(call["keys"]).z)

    def with_past(self, call: Call, new: Float[Tensor, "n d"]) -> Call:
        """The call with the queue among its keys; after the step these new vectors are in the queue."""
        keys = as_points(call["keys"])
        self._new.append(new.detach())
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


class MomentumQueue(Procedure):
    """Queries of past batches are further negatives, as an encoder that follows slowly sees them, without dropout.

    A teacher follows the encoder, `teacher <- decay * teacher + (1 - decay) * encoder` after each step, and begins as
    it is; the head is the student's own. Positives and the batch's other keys stay the student's, with gradient, which
    is where this differs from MoCo (`Teacher` and `Queue`).

    Source: Wu et al. 2021, "ESimCSE: Enhanced Sample Building Method for Contrastive Learning of Unsupervised Sentence
    Embedding", section 3.2, and the authors' code, whose momentum encoder has no head of its own. As read, it begins
    with random weights there, which the text does not say.

    Args:
        size: How many are kept, 1 or more.
        dim: Of the vectors.
        decay: Above 0 and below 1.

    Raises:
        InputError: for a size or a decay out of its range.

    Examples:
        >>> queue, model = MomentumQueue(3, 2), nn.Sequential(nn.Identity(), nn.Identity())
        >>> queue.start(model)
        >>> batch = {"queries": torch.eye(2), "keys": torch.eye(2)}
        >>> for _ in range(2):
        ...     (call,) = queue([batch], lambda model: batch)
        ...     queue.finish_step()
        >>> len(call["keys"])  # the batch's two, and those before
        4
    """

    def __init__(self, size: int, dim: int, decay: float = 0.995) -> None:
        super().__init__()
        if not decay:
            raise InputError("the teacher's decay is 0, it must be above 0", fix="0.995 is common")
        self.teacher, self.queue = Teacher(decay), Queue(size, dim, in_batch=True)

    def start(self, model: nn.Module) -> None:
        """The teacher begins as the encoder is."""
        self.teacher.start(model)

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """The call with the queue among its keys."""
        (call,) = calls
        taught = again(self.teacher.encoder())
        return [self.queue.with_past(call, as_points(taught["queries"]).z)]

    def finish_step(self) -> None:
        """The teacher follows, and the newest come in."""
        self.teacher.finish_step()
        self.queue.finish_step()
