"""Heads: what stands between an encoder and the loss, in training only."""

from counterpoint.heads.constraint import NonNegative, Unit
from counterpoint.heads.gaussian import Gaussian
from counterpoint.heads.projection import projection

__all__ = ["Gaussian", "NonNegative", "Unit", "projection"]
