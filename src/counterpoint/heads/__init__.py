"""Heads: what stands between an encoder and the loss, in training only."""

from counterpoint.heads.constraint import NonNegative, Unit
from counterpoint.heads.gaussian import Gaussian
from counterpoint.heads.per_view import PerView
from counterpoint.heads.prediction import MeanContext, Predictions
from counterpoint.heads.projection import projection
from counterpoint.heads.reweight import Reweight
from counterpoint.heads.several import AlsoGiven, AlsoStopped, Halves, Several
from counterpoint.heads.whitening import GroupWhitening

__all__ = [
    "AlsoGiven",
    "AlsoStopped",
    "Gaussian",
    "GroupWhitening",
    "Halves",
    "MeanContext",
    "NonNegative",
    "PerView",
    "Predictions",
    "Reweight",
    "Several",
    "Unit",
    "projection",
]
