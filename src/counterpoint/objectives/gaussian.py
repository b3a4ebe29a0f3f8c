"""Objectives that ask whether a cloud of points is a standard Gaussian, by its shadows in random directions."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points


class _Sliced(PointObjective):
    """The mean over both sides of a function of their projections on random unit vectors.

    All processes must draw the same directions, so the random numbers are of the objective's own: a stream that begins
    with `seed` and goes on with every call.
    """

    calls: Tensor

    def __init__(self, directions: int, *, seed: int = 0, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)
        if directions < 1:
            raise InputError(f"{directions} directions", fix="give 1 or more")
        self.directions, self.seed = directions, seed
        self.register_buffer("calls", torch.tensor(0))

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides in the same directions; who matches whom does not matter."""
        del i, j
        if not len(queries) or not len(keys):
            return (queries.z.sum() + keys.z.sum()) * 0
        generator = torch.Generator().manual_seed(self.seed + int(self.calls))
        self.calls += 1
        a = torch.randn(queries.z.shape[1], self.directions, generator=generator, dtype=torch.float64)
        a = (a / a.norm(dim=0)).to(queries.z)
        return (self.sliced(queries.z, a) + self.sliced(keys.z, a)) / 2

    def sliced(self, z: Float[Tensor, "n d"], directions: Float[Tensor, "d v"]) -> Float[Tensor, ""]:
        """The equation, of one side."""
        raise NotImplementedError


class SIGReg(_Sliced):
    """Normality in random directions by Epps and Pulley's test: the distance of characteristic functions.

    `n int |phi(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt`, averaged over directions, `phi` that of the projected points,
    by the trapezoidal rule on `knots` points from 0 to `limit`, doubled. Source: Balestriero and LeCun 2025, "LeJEPA:
    Provable and Scalable Self-Supervised Learning Without the Heuristics"; LeJEPA adds the mean
    squared distance of the views from their mean.

    Args:
        directions: How many, drawn anew with every call.
        knots: 2 or more.
        limit: Above 0.
        seed: Of the directions.
        **options: `geometry` (`Dot` by default: vectors as they are), `relation`, see `PointObjective`.

    Raises:
        InputError: for a number out of its range.

    Examples:
        >>> z = torch.randn(2000, 3)
        >>> bool(SIGReg(64)(z, z) < SIGReg(64)(3 * z, 3 * z))
        True
    """

    def __init__(
        self, directions: int = 1024, *, knots: int = 17, limit: float = 3.0, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(directions, seed=seed, **options)
        if knots < 2 or limit <= 0:
            raise InputError(f"{knots} knots up to {limit}", fix="give 2 knots or more and a limit above 0")
        self.knots, self.limit = knots, limit

    def sliced(self, z: Float[Tensor, "n d"], directions: Float[Tensor, "d v"]) -> Float[Tensor, ""]:
        """One integral a direction."""
        t = torch.linspace(0, self.limit, self.knots, dtype=z.dtype, device=z.device)
        gauss = (-t.square() / 2).exp()
        # both halves of the line; the ends count half
        weight = 2 * self.limit / (self.knots - 1) * gauss
        weight[[0, -1]] = weight[[0, -1]] / 2
        angles = (z @ directions)[..., None] * t
        error = (angles.cos().mean(0) - gauss).square() + angles.sin().mean(0).square()
        return len(z) * (error @ weight).mean()


class SlicedNormality(_Sliced):
    """Location, scale and shape of a standard Gaussian: `scale * (std - 1)^2 + shape * W + centre * mean^2`.

    The first and the last are means over dimensions. `W` is the mean squared difference between the sorted projections
    of the standardised points and a Gaussian's quantiles at `i / (n + 1)`, over directions; the scale by which points
    are standardised has no gradient. Source: Wu et al. 2026, "VISReg", eq. 1, 2 and 5.

    Args:
        directions: How many, drawn anew with every call.
        scale: Weight of the deviations.
        shape: Weight of the sorted projections.
        centre: Weight of the means.
        epsilon: Added to the deviations that points are divided by.
        seed: Of the directions.
        **options: `geometry` (`Dot` by default: vectors as they are), `relation`, see `PointObjective`.

    Examples:
        >>> z = torch.randn(2000, 3)
        >>> bool(SlicedNormality(64)(z, z) < SlicedNormality(64)(z + 1, z + 1))
        True
    """

    def __init__(
        self,
        directions: int = 4096,
        *,
        scale: float = 1.0,
        shape: float = 1.0,
        centre: float = 1.0,
        epsilon: float = 1e-4,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(directions, seed=seed, **options)
        self.weights, self.epsilon = (scale, shape, centre), epsilon

    def sliced(self, z: Float[Tensor, "n d"], directions: Float[Tensor, "d v"]) -> Float[Tensor, ""]:
        """The three terms."""
        scale, shape, centre = self.weights
        n, mean = len(z), z.mean(0)
        deviation = z.std(0, correction=0)
        places = torch.arange(1, n + 1, dtype=z.dtype, device=z.device) / (n + 1)
        quantiles = torch.special.ndtri(places)
        projected = ((z - mean) / (deviation.detach() + self.epsilon)) @ directions
        value: Tensor = shape * (projected.sort(0).values - quantiles[:, None]).square().mean()
        return value + scale * (1 - deviation).square().mean() + centre * mean.square().mean()
