"""How the vectors that the loss is taken on are spread: evenly over the sphere, or close together within a class."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.evaluate import tolerance, uniformity
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.figures import projection

EVEN = -4.0
"""Uniformity of many dimensions' uniform distribution: all cosines are 0, `log exp(-2 * 2)`."""


def _uniformity(made: Made) -> float:
    return uniformity(F.normalize(torch.from_numpy(projection(made, made.test)), dim=1))


def _tolerance(made: Made) -> float:
    z = F.normalize(torch.from_numpy(projection(made, made.test)), dim=1)
    return tolerance(z, made.test.columns["label"])


projected_uniformity = Figure("uniformity of the projection", _uniformity, spread=True)
"""Wang and Isola 2020, equation 2: `log E exp(-2 |x - y|^2)` over pairs of test items; lower is more even."""
projected_tolerance = Figure("tolerance of the projection", _tolerance)
"""Wang and Liu 2021, equation 11: the mean inner product of test items of the same class."""
