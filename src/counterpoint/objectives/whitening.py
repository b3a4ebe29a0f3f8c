"""Whitening: batch statistics as a layer, and W-MSE, which needs no negatives because of it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points


def whiten(z: Float[Tensor, "n d"], *, epsilon: float = 0.0) -> Float[Tensor, "n d"]:
    """Centred vectors with unit covariance, `L^-1 (z - mean)` where `L L^T` is the covariance (Cholesky).

    Source: Ermolov et al. 2021, "Whitening for Self-Supervised Representation Learning", eq. 7 and 8 (Siarohin et al.
    2019's whitening).

    Args:
        z: More vectors than dimensions, unless `epsilon` is above 0.
        epsilon: The covariance is shrunk to `(1 - epsilon) C + epsilon I`; from 0 to 1.

    Raises:
        InputError: if the covariance is singular.

    Examples:
        >>> z = whiten(torch.randn(100, 3))
        >>> torch.allclose(z.T @ z / 99, torch.eye(3), atol=1e-4)
        True
    """
    # in single precision a covariance whose directions differ by a factor of 3,000 is singular
    wide = z if z.device.type == "mps" else z.double()
    centred = wide - wide.mean(0)
    covariance = centred.T @ centred / max(1, len(z) - 1)
    shrunk = (1 - epsilon) * covariance + epsilon * torch.eye(z.shape[1], dtype=wide.dtype, device=z.device)
    factor, failed = torch.linalg.cholesky_ex(shrunk)
    if bool(failed):
        raise InputError(
            f"{len(z)} vectors of {z.shape[1]} dimensions cannot be whitened: their covariance is singular",
            fix="use a larger batch, fewer dimensions, or an epsilon above 0",
        )
    white: Tensor = torch.linalg.solve_triangular(factor, centred.T, upper=False).T
    return white.to(z.dtype)


class WMSE(PointObjective):
    """W-MSE: the distance of positives after whitening; what is white cannot collapse.

    `mean |v_i / |v_i| - v_j / |v_j||^2` over the positive pairs, `v` the whitened vectors. Each view is whitened by
    itself, in random slices of the batch, the same for all views; with `repeats` the loss is the mean over so many
    random divisions. Source: Ermolov et al. 2021, eq. 6 to 8 and section 4.2, and the authors' code.

    Args:
        size: Points in a slice; twice the dimension in the paper. What is left over joins the last slice. 0: one slice.
        repeats: Random divisions.
        epsilon: See `whiten`.
        **options: `relation`, see `PointObjective`.

    Raises:
        InputError: in a call, if a slice is too small for the dimension.

    Examples:
        >>> z = torch.randn(32, 4)
        >>> round(WMSE()(z, z).item(), 4)
        0.0
    """

    calls: Tensor

    def __init__(self, size: int = 0, *, repeats: int = 1, epsilon: float = 0.0, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)
        self.size, self.repeats, self.epsilon = size, repeats, epsilon
        # all processes must divide the batch alike, so the random numbers are of this loss's own
        self.register_buffer("calls", torch.tensor(0))

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over divisions and positive pairs."""
        if not len(i):
            return (queries.z.sum() + keys.z.sum()) * 0
        generator = torch.Generator().manual_seed(int(self.calls))
        self.calls += 1
        values = []
        for _ in range(self.repeats):
            seed = int(torch.randint(2**62, (1,), generator=generator))
            left = self._white(queries, seed)
            right = left if keys is queries else self._white(keys, seed)
            values.append((left[i] - right[j]).square().sum(1).mean())
        return torch.stack(values).mean()

    def _white(self, points: Points, seed: int) -> Float[Tensor, "n d"]:
        """Every view whitened in slices, scaled to length one."""
        view = points.columns.get("view", torch.zeros(len(points), device=points.z.device))
        out = torch.zeros_like(points.z)
        for one in view.unique():
            rows = (view == one).nonzero()[:, 0]
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).to(rows.device)
            size = min(self.size or len(rows), len(rows))
            cuts = [size] * (len(rows) // size)
            cuts[-1] += len(rows) % size
            for part in rows[order].split(cuts):
                out = out.index_copy(0, part, whiten(points.z[part], epsilon=self.epsilon))
        return F.normalize(out, dim=1)
