"""Procedures: what stands between the encoder and the objective in training, and what is kept from step to step."""

from counterpoint.procedures._base import Again, Call, Chain, Procedure
from counterpoint.procedures.memory import ClusteredNeighbours
from counterpoint.procedures.mixing import InterpolateNegatives, MixNegatives, MixPositives
from counterpoint.procedures.queue import Queue
from counterpoint.procedures.siamese import Predictor, Teacher

__all__ = [
    "Again",
    "Call",
    "Chain",
    "ClusteredNeighbours",
    "InterpolateNegatives",
    "MixNegatives",
    "MixPositives",
    "Predictor",
    "Procedure",
    "Queue",
    "Teacher",
]
