"""How well the nearest neighbours of all points separate the classes."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.engine.blocks import weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Euclidean
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points
from counterpoint.relation import Relation, same


class NeighbourScore(PointObjective):
    """ICNN, `-log` of a score in [0, 1] of each point's `k` nearest neighbours: same near, others far.

    The score is `((close + apart) / 2 + pure) / 2` with

    - `close = 1 - mean_i mean_{same} r_ij / max(1, max_j r_ij)`, `r_ij = d_ij / min_{other} d_i`: neighbours of
      the same class, in units of the distance to the nearest point of another one;
    - `apart = mean_i mean_{other} d_ij / max d`: neighbours of other classes, in units of the farthest of them; 1 where
      there are none;
    - `pure`, the share of neighbours that have the point's class, which has no gradient.

    Means are over points that have such a neighbour. Source: Mendez-Ruiz et al. 2023, "SuSana Distancia is all you
    need", and the authors' code, which leaves the variances of the paper out, too; there the nearest point of another
    class is looked for among a few more neighbours, here among all points.

    Args:
        neighbours: `k`; all other points where there are fewer.
        **options: `geometry` (Euclidean by default), `relation` (same `label` by default), see `PointObjective`.

    Raises:
        InputError: for less than one neighbour.

    Examples:
        >>> z = torch.tensor([[0.0], [0.0], [9.0], [9.0]])
        >>> NeighbourScore(1)(Points(z, label=torch.tensor([0, 0, 1, 1]))).item()  # all are pure, and at no distance
        -0.0
    """

    def __init__(self, neighbours: int = 4, **options: Any) -> None:
        options.setdefault("geometry", Euclidean())
        options.setdefault("relation", Relation(same("label")))
        super().__init__(**options)
        if neighbours < 1:
            raise InputError(f"{neighbours} neighbours", fix="4 is theirs")
        self.neighbours = neighbours

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """The score of both sides together."""
        del i, j
        rule = self.relation.positive
        assert isinstance(rule, same)
        points = queries if keys is queries else Points.cat([queries, keys])
        if len(points) < 2:
            return points.z.sum() * 0
        label, itself = points.columns[rule.column], torch.eye(len(points), dtype=torch.bool, device=points.z.device)
        distance = -self.geometry.shared(points.z, points.z, 1.0)
        alike = (label[:, None] == label) & (label >= 0)
        other = distance.masked_fill(alike | itself, torch.inf).amin(1, keepdim=True)
        near = distance.masked_fill(itself, torch.inf).topk(min(self.neighbours, len(points) - 1), largest=False)
        mine = alike.gather(1, near.indices).to(distance.dtype)
        tiny = torch.finfo(distance.dtype).tiny
        ratio = near.values / other.clamp_min(tiny)
        close = 1 - _mean_of_means(ratio / ratio.amax(1, keepdim=True).clamp_min(1), mine)
        foreign = near.values * (1 - mine)
        some = bool((mine < 1).any())
        apart = _mean_of_means(foreign / foreign.amax().clamp_min(tiny), 1 - mine) if some else torch.ones_like(close)
        return -((close + apart) / 4 + mine.mean() / 2).log()


def _mean_of_means(value: Float[Tensor, "n k"], weight: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """Over the rows that have an entry; 0 without any."""
    rows = (weight > 0).any(1).to(value.dtype)
    return weighted_mean(weighted_mean(value, weight)[None], rows[None])[0]
