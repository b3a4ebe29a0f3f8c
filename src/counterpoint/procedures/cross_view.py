"""Among the past vectors of one view: where the other view is to lie is where the view's own vector lies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.objectives import Guide
from counterpoint.points import Points, as_points, unmatched
from counterpoint.procedures._base import Again, Call, Procedure


class CrossView(Procedure):
    """Each view is taught, by the other's reference vectors, how near it is to past reference vectors of that other.

    Points are `(n, 2, d)`, a projection and a reference (`AlsoGiven`). The calls of `DistillKL` are, for the queue
    `Q_a` of past references of the first view, `KL(softmax(ref(a) . [ref(a), Q_a] / t_ref) || softmax(g(b) . [ref(a),
    Q_a] / t))`, and the same with both views and the other queue. A text's own reference is among the keys, and so are
    the rest of its batch.

    Source: Limkonchotiwat et al. 2023, "An Efficient Self-Supervised Cross-View Training For Sentence Embedding", and
    the authors' code (SCTLoss), whose queues begin with random unit vectors, too. The mean of both terms is the loss,
    as in the text; their code has the sum.

    Args:
        size: Vectors in each queue, 0 or more.
        dim: Of the vectors.
        crossed: Whether views teach each other; else each teaches itself, by its own reference.

    Raises:
        InputError: a size below 0; in a call, points of another form, or sides of different length.

    Examples:
        >>> z = torch.eye(3)[:, None].expand(3, 2, 3)
        >>> calls = CrossView(4, 3)([{"queries": z, "keys": z}], lambda model: {})
        >>> len(calls), len(calls[0]["keys"]), tuple(calls[0]["guide"].queries.shape)
        (2, 7, (3, 3))
    """

    past: Tensor

    def __init__(self, size: int, dim: int, *, crossed: bool = True) -> None:
        super().__init__()
        if size < 0:
            raise InputError(f"the queues hold {size} vectors", fix="give 0 or more; 16384 is common")
        self.crossed = crossed
        self.register_buffer("past", F.normalize(torch.randn(2, size, dim), dim=-1))
        self._new: list[Tensor] = []

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """Two calls for each: the second view taught by the first, and the first by the second."""
        del again
        sides = [(as_points(call["queries"]), as_points(call["keys"])) for call in calls]
        return [taught for a, b in sides for taught in self._taught(a, b)]

    def _taught(self, a: Points, b: Points) -> list[Call]:
        for side in (a, b):
            if side.z.ndim != 3 or side.z.shape[1] != 2 or len(a) != len(b):
                shapes = f"{tuple(a.z.shape)} and {tuple(b.z.shape)}"
                raise InputError(f"each side must be (n, 2, d), not {shapes}", fix="use the head AlsoGiven")
        references = [F.normalize(side.z[:, 1].detach(), dim=-1) for side in (a, b)]
        self._new.append(torch.stack(references))
        calls = list[Call]()
        taught = ((a, b), (b, a)) if self.crossed else ((a, a), (b, b))
        for (teacher, student), reference, past in zip(taught, references, self.past, strict=True):
            keys = Points.cat([teacher.with_z(reference), unmatched(past.to(reference))])
            guide = Guide(queries=reference, keys=keys.z)
            calls.append({"queries": student.with_z(student.z[:, 0]), "keys": keys, "guide": guide})
        return calls

    @torch.no_grad()
    def finish_step(self) -> None:
        """The newest references come in, the oldest go."""
        new: Float[Tensor, "2 n d"] = torch.cat(self._new, 1)
        self._new.clear()
        self.past.copy_(torch.cat([new.to(self.past), self.past], 1)[:, : self.past.shape[1]])
