"""Heads: what stands between an encoder and the loss, in training only."""

from counterpoint.heads.constraint import NonNegative, Unit
from counterpoint.heads.projection import projection

__all__ = ["NonNegative", "Unit", "projection"]
