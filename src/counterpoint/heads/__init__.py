"""Heads: what stands between an encoder and the loss, in training only."""

from counterpoint.heads.constraint import NonNegative, Unit
from counterpoint.heads.gaussian import Gaussian
from counterpoint.heads.per_view import PerView
from counterpoint.heads.prediction import Predictions
from counterpoint.heads.projection import projection
from counterpoint.heads.reweight import Reweight
from counterpoint.heads.several import Halves, Several

__all__ = [
    "Gaussian",
    "Halves",
    "NonNegative",
    "PerView",
    "Predictions",
    "Reweight",
    "Several",
    "Unit",
    "projection",
]
