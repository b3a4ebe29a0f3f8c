"""Geometry: scores of queries against keys, and temperature. A higher score is always a closer pair."""

from counterpoint.geometry._base import Geometry, translation_invariant
from counterpoint.geometry.angles import Angle, Cosine, Dot, normalize
from counterpoint.geometry.distances import Euclidean, Lp, Modulus, NoiseToSignal
from counterpoint.geometry.late import MaxSim, Ragged
from counterpoint.geometry.several import Gated, Parts, SubCentres
from counterpoint.geometry.temperature import Temperature, check_temperature

GEOMETRIES: dict[str, Geometry] = {
    "cosine": Cosine(),
    "dot": Dot(),
    "euclidean": Euclidean(),
    "manhattan": Lp(1),
    "modulus": Modulus(),
}
"""What the `similarity` of an encoder stands for."""

__all__ = [
    "GEOMETRIES",
    "Angle",
    "Cosine",
    "Dot",
    "Euclidean",
    "Gated",
    "Geometry",
    "Lp",
    "MaxSim",
    "Modulus",
    "NoiseToSignal",
    "Parts",
    "Ragged",
    "SubCentres",
    "Temperature",
    "check_temperature",
    "normalize",
    "translation_invariant",
]
