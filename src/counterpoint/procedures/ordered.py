"""Lists of texts that are known in an order: a teacher's likenesses within them are the target, moved by the order."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import check_temperature
from counterpoint.objectives._layouts import Guide
from counterpoint.points import Points
from counterpoint.procedures._base import Again, Call, Procedure, every_point


def moved_by_order(t_kk: Float[Tensor, "k k"], weight: float) -> Float[Tensor, "k k"]:
    """Likenesses within a list that is in order, moved towards where its order says that they belong.

    From each sentence those that follow it should be less and less like it: place j > i should hold `t'_ij`, the value
    that is there once `t_ii, t_i,i+1, ...` is sorted downwards. With `d = t'_ij - t_ij` the likeness becomes `t_ij +
    sign(d) log(weight |d| + 1)`, and `t_ji` changes as `t_ij` does. Source: He et al. 2025, "Refining Sentence
    Embedding Model through Ranking Sentences Generation with Large Language Models".

    Args:
        t_kk: Symmetric, rows and columns in the list's order.
        weight: Their omega, 0 or more; 0 leaves all as it is.

    Examples:
        >>> t_kk = torch.tensor([[9.0, 2.0, 4.0], [2.0, 9.0, 3.0], [4.0, 3.0, 9.0]])  # the third is too near
        >>> moved_by_order(t_kk, 1.0)[0]  # 2 + log(3), 4 - log(3)
        tensor([9.0000, 3.0986, 2.9014])
    """
    earlier = torch.ones_like(t_kk, dtype=torch.bool).tril(-1)
    # what is before place i stays before it, so that the rest of a row is sorted by itself
    sorted_kk = t_kk.masked_fill(earlier, math.inf).sort(dim=1, descending=True).values
    d_kk = (sorted_kk - t_kk).masked_fill(earlier, 0.0)
    moved = d_kk.sign() * torch.log(weight * d_kk.abs() + 1)
    return t_kk + moved + moved.triu(1).T


class OrderedLists(Procedure):
    """Each list is a call of its own, in which every text is compared with all of its list, itself among them.

    The guide has the cosines of a teacher's vectors, divided by a temperature and moved by the list's order
    (`moved_by_order`). Points say which `list` they are of and their `place` in it; the teacher's vectors are in
    `vector`. To be ranked with `counterpoint.objectives.ListMLE`. Source: see there, and the authors' code.

    Args:
        weight: Of the order, 0 or more; 0: the teacher alone.
        temperature: Of the teacher's cosines.

    Raises:
        InputError: for a weight below 0 or a temperature that is not above 0; in a call, for points without these
            columns.

    Examples:
        >>> place, vector = torch.tensor([1, 0]), torch.eye(2)
        >>> points = Points(torch.eye(2), list=torch.tensor([5, 5]), place=place, vector=vector)
        >>> (call,) = OrderedLists(temperature=1.0)([{"queries": points}], lambda model: {})
        >>> call["owned"].z[0].tolist(), call["guide"].owned.tolist()
        ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    """

    def __init__(self, weight: float = 0.5, temperature: float = 0.05) -> None:
        super().__init__()
        if not 0 <= weight < math.inf:
            raise InputError(f"the order weighs {weight}", fix="give 0 or more; 0.5 is theirs")
        check_temperature(temperature)
        self.weight, self.temperature = weight, temperature

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """A call for each list."""
        del again
        (call,) = calls
        every = every_point(call)
        if lacking := {"list", "place", "vector"} - every.columns.keys():
            raise InputError(
                f"lists in order need the column {min(lacking)!r} of each text",
                fix="give list, place and a teacher's vector",
            )
        every = every[every.columns["place"].argsort(stable=True)]
        of = every.columns["list"]
        return [self._ranked(every[of == number]) for number in of.unique().tolist()]

    def _ranked(self, points: Points) -> Call:
        u = F.normalize(points.columns["vector"].to(points.z), dim=1)
        target = moved_by_order(u @ u.T / self.temperature, self.weight)
        owned = Points(points.z.expand(len(points), -1, -1))
        return {"queries": Points(points.z), "owned": owned, "guide": Guide(owned=target)}
