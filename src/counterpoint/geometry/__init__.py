"""Geometry: scores of queries against keys, and temperature. A higher score is always a closer pair."""

from counterpoint.geometry._base import Geometry
from counterpoint.geometry.angles import Angle, Cosine, Dot, normalize
from counterpoint.geometry.distances import Euclidean, Lp, NoiseToSignal
from counterpoint.geometry.several import Gated, Parts, SubCentres
from counterpoint.geometry.temperature import Temperature, check_temperature

__all__ = [
    "Angle",
    "Cosine",
    "Dot",
    "Euclidean",
    "Gated",
    "Geometry",
    "Lp",
    "NoiseToSignal",
    "Parts",
    "SubCentres",
    "Temperature",
    "check_temperature",
    "normalize",
]
