"""Prototypes without labels: assignments of equal size (Sinkhorn), and SwAV, which swaps them between views."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.geometry import check_temperature
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points


def sinkhorn(scores: Float[Tensor, "n k"], *, iterations: int = 3) -> Float[Tensor, "n k"]:
    """Soft assignments of `n` points to `k` clusters of equal size: Sinkhorn and Knopp's scaling of `exp(scores)`.

    Columns are scaled to sum `n / k` and rows to sum 1, in turn, rows last; in logarithms, so nothing overflows.
    Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", eq. 3 to 5
    (after Cuturi 2013 and Asano et al. 2020), where scores are `z . c / epsilon`.

    Args:
        scores: Higher is nearer.
        iterations: 3 is theirs. 0: a softmax, so that clusters may be of any size.

    Examples:
        >>> sinkhorn(torch.tensor([[2.0, 1.0], [2.0, 0.0]]), iterations=50).round(decimals=2)
        tensor([[0.3800, 0.6200],
                [0.6200, 0.3800]])
    """
    logs = scores if iterations else torch.log_softmax(scores, 1)
    for _ in range(iterations):
        logs = torch.log_softmax(logs, 0)
        logs = torch.log_softmax(logs, 1)
    return logs.exp()


class SwAV(PointObjective):
    """Swapped assignments: each view predicts the cluster that another view of the sample was put into.

    `-sum_k q_ik log softmax_k(z_j . c / temperature)` over positive pairs both ways, where `q` are Sinkhorn assignments
    of the batch, without gradient, and the prototypes `c` are learned and of length one. Points of one view are
    assigned together. Source: Caron et al. 2020, eq. 1 to 5, and the authors' code, where prototypes do not learn in
    the first epoch. Their queue of past features is left out.

    Args:
        dim: Of the vectors.
        prototypes: How many.
        temperature: Of the predictions; 0.1 is theirs.
        epsilon: Of the assignments; 0.05 is theirs.
        iterations: Of Sinkhorn; 0: nothing keeps the clusters of equal size.
        codes: With more than two views (a `view` column), only views below this number give assignments: the two large
            crops.
        frozen: In so many calls of training, to begin with, the prototypes have no gradient.
        **options: `relation`, see `PointObjective`.

    Examples:
        >>> loss = SwAV(4, 8)
        >>> z = torch.randn(16, 4)
        >>> loss(z, z).item() > 0
        True
    """

    calls: Tensor

    def __init__(
        self,
        dim: int,
        prototypes: int,
        *,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        codes: int = 2,
        frozen: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_temperature(temperature)
        check_temperature(epsilon)
        if dim < 1 or prototypes < 2:
            raise InputError(f"{prototypes} prototypes of dimension {dim}", fix="give two prototypes or more")
        self.temperature, self.epsilon, self.iterations, self.codes = temperature, epsilon, iterations, codes
        self.prototypes = nn.Parameter(F.normalize(torch.randn(prototypes, dim), dim=1))
        self.frozen = frozen
        self.register_buffer("calls", torch.tensor(0))

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Cross-entropy of predictions with the other view's assignments."""
        check_temperature(self.temperature)
        if not len(i):
            return (queries.z.sum() + keys.z.sum() + self.prototypes.sum()) * 0
        prototypes = F.normalize(self.prototypes, dim=1)
        if self.training:
            prototypes = prototypes.detach() if int(self.calls) < self.frozen else prototypes
            self.calls += 1
        left = queries.z @ prototypes.T
        if keys is queries:
            return self._swapped(left, self._assigned(left.detach(), queries), i, j)
        right = keys.z @ prototypes.T
        there = self._swapped(left, self._assigned(right.detach(), keys), j, i)
        back = self._swapped(right, self._assigned(left.detach(), queries), i, j)
        return (there + back) / 2

    def _assigned(self, scores: Float[Tensor, "n k"], points: Points) -> tuple[Tensor, Tensor]:
        """Assignments of every view by itself, and who has one."""
        view = points.columns.get("view", torch.zeros(len(points), device=scores.device))
        codes, has = torch.zeros_like(scores), torch.zeros(len(points), dtype=torch.bool, device=scores.device)
        views = view.unique()
        for one in views if len(views) <= 2 else views[views < self.codes]:
            rows = view == one
            codes[rows] = sinkhorn(scores[rows] / self.epsilon, iterations=self.iterations)
            has |= rows
        return codes, has

    def _swapped(self, scores: Tensor, assigned: tuple[Tensor, Tensor], source: Tensor, target: Tensor) -> Tensor:
        codes, has = assigned
        source, target = source[has[source]], target[has[source]]
        log_p = torch.log_softmax(scores / self.temperature, 1)
        return -(codes[source] * log_p[target]).sum() / max(1, len(source))
