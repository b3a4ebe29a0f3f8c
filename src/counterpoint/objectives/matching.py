"""How far groups of points differ as distributions: maximum mean discrepancy, and means and covariances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Euclidean
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points
from counterpoint.relation import Relation, same


class Matching(PointObjective):
    """Distance between the distributions of groups of points, such as domains, to be made small.

    The mean over all pairs of groups X, Y of

    - `"mmd"`: `E k(x, x') + E k(y, y') - 2 E k(x, y)`, `k = sum_g exp(-g |a - b|^2)` over several sharpnesses;
    - `"coral"`: `mean (m_x - m_y)^2 + mean (C_x - C_y)^2`, the means and covariances.

    Sources: Gretton et al. 2012, "A Kernel Two-Sample Test", eq. 5 (the biased estimate; several kernels as in Li et
    al. 2015); Sun and Saenko 2016, "Deep CORAL", and the form of both in DomainBed (Gulrajani and Lopez-Paz 2021).

    Args:
        column: Groups, 0 or more; a group of one point is left out.
        distance: See above.
        sharpness: Of the kernels.
        **options: `geometry` (vectors as they are by default), see `PointObjective`.

    Raises:
        InputError: for a sharpness that is not above 0.

    Examples:
        >>> points = Points(torch.tensor([[0.0], [0.0], [3.0], [3.0]]), domain=torch.tensor([0, 0, 1, 1]))
        >>> Matching("domain", "coral")(points).item()
        9.0
    """

    def __init__(
        self,
        column: str,
        distance: Literal["mmd", "coral"] = "mmd",
        *,
        sharpness: Sequence[float] = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
        **options: Any,
    ) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(relation=Relation(same(column)), **options)
        if not sharpness or min(sharpness) <= 0:
            raise InputError(f"the kernels' sharpness is {tuple(sharpness)}", fix="give numbers above 0")
        self.column, self.distance, self.sharpness = column, distance, tuple(sharpness)

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the pairs of groups."""
        del i, j
        points = queries if keys is queries else Points.cat([queries, keys])
        group = points.columns[self.column]
        found, number = group.unique(return_counts=True)
        groups = [points.z[group == each] for each in found[(found >= 0) & (number > 1)]]
        if len(groups) < 2:
            return points.z.sum() * 0
        between = self._mmd if self.distance == "mmd" else _coral
        return torch.stack([between(x, y) for x, y in combinations(groups, 2)]).mean()

    def _mmd(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        return self._kernel(x, x) + self._kernel(y, y) - 2 * self._kernel(x, y)

    def _kernel(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """The mean over all pairs."""
        minus_square = Euclidean(squared=True).shared(x, y, 1.0)
        return torch.stack([(g * minus_square).exp().mean() for g in self.sharpness]).sum()


def _coral(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    return (x.mean(0) - y.mean(0)).square().mean() + (x.T.cov() - y.T.cov()).square().mean()
