"""Episodes: a part of each class stands for it by its mean, the rest is compared with the means."""

from __future__ import annotations

import torch

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class Prototypes(Procedure):
    """A batch becomes an episode: keys are class means of a random part of the batch, queries are the rest of it.

    Of each class (`label`) `shots` points are drawn, the support, whose mean is the class's key; both have the
    `label`, by which the objective matches them. A class that is no larger than the support has no query. Source:
    Snell et al. 2017, "Prototypical Networks for Few-shot Learning", eq. 1 and algorithm 1, where an episode has a few
    of many classes; here it has all that are in the batch.

    Args:
        shots: Support points of each class.

    Raises:
        InputError: for less than one shot; in a call, without a `label` column.

    Examples:
        >>> points = Points(torch.eye(4), label=torch.tensor([0, 0, 0, 1]))
        >>> (call,) = Prototypes(2)([{"queries": points}], lambda model: {})
        >>> call["keys"].columns["label"].tolist(), call["queries"].columns["label"].tolist()
        ([0, 1], [0])
    """

    def __init__(self, shots: int = 5) -> None:
        super().__init__()
        if shots < 1:
            raise InputError(f"{shots} shots, and a mean needs one", fix="5 is common")
        self.shots = shots

    def change(self, call: Call) -> Call:
        """The call as an episode."""
        sides = [as_points(call[side]) for side in ("queries", "keys") if call.get(side) is not None]
        points = Points.cat(sides)
        if "label" not in points.columns:
            raise InputError("an episode is made by class, which the points lack", fix="pass Points(z, label=...)")
        points = points[torch.randperm(len(points)).to(points.z.device)]
        points = points[torch.argsort(points.columns["label"], stable=True)]
        label = points.columns["label"]
        rank = torch.arange(len(label), device=label.device) - torch.searchsorted(label, label)
        chosen = (rank < self.shots) & (label >= 0)
        support = points[chosen]
        classes, place = torch.unique(support.columns["label"], return_inverse=True)
        total = support.z.new_zeros(len(classes), support.z.shape[1]).index_add(0, place, support.z)
        keys = Points(total / torch.bincount(place, minlength=len(classes))[:, None], label=classes)
        return {**call, "queries": points[~chosen], "keys": keys}
