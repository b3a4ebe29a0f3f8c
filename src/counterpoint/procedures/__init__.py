"""Procedures: what stands between the encoder and the objective in training, and what is kept from step to step."""

from counterpoint.procedures._base import Again, Call, Chain, Procedure
from counterpoint.procedures.attention import SampledAttention
from counterpoint.procedures.clusters import ClusterNegatives
from counterpoint.procedures.columns import KeysKnow
from counterpoint.procedures.composing import Composed
from counterpoint.procedures.concepts import LabelledKeys
from counterpoint.procedures.coupled import Coupled
from counterpoint.procedures.cross_view import CrossView
from counterpoint.procedures.discourse import Discourse
from counterpoint.procedures.domains import CutDomains, OneDomain
from counterpoint.procedures.gates import PairGates
from counterpoint.procedures.grouping import InSets
from counterpoint.procedures.guided import Guided
from counterpoint.procedures.guides import OwnGuide
from counterpoint.procedures.hard_pairs import MixHardPairs, shares
from counterpoint.procedures.listed import EmulatedLists
from counterpoint.procedures.memory import ClusteredNeighbours
from counterpoint.procedures.mixing import InterpolateNegatives, MixNegatives, MixPositives
from counterpoint.procedures.noise import NoiseNegatives
from counterpoint.procedures.ordered import OrderedLists, moved_by_order
from counterpoint.procedures.pair_features import EveryPair, PairFeatures
from counterpoint.procedures.passages import AlsoPassages, AlsoQueries
from counterpoint.procedures.prototypes import Prototypes
from counterpoint.procedures.queue import MomentumQueue, Queue
from counterpoint.procedures.rebuilding import Rebuild
from counterpoint.procedures.several import SeveralVectors
from counterpoint.procedures.siamese import Predictor, Teacher
from counterpoint.procedures.sides import (
    AgainstClasses,
    AgainstColumn,
    AgainstItself,
    ClassVectors,
    Forget,
    Futures,
    Lists,
    MeanOfBlocks,
    PairsOfViews,
    RestOfViews,
    SeveralItems,
    TurnedViews,
)
from counterpoint.procedures.spans import SpanLists
from counterpoint.procedures.sparse import SparseCodes
from counterpoint.procedures.start import AgainstStart, DistanceFromStart
from counterpoint.procedures.tables import AgainstTable, Verbalizer
from counterpoint.procedures.targets import MixTargets
from counterpoint.procedures.tasks import ByTask
from counterpoint.procedures.tokens import DetectReplaced, TokenTask
from counterpoint.procedures.two_kinds import TwoKinds

__all__ = [
    "Again",
    "AgainstClasses",
    "AgainstColumn",
    "AgainstItself",
    "AgainstStart",
    "AgainstTable",
    "AlsoPassages",
    "AlsoQueries",
    "ByTask",
    "Call",
    "Chain",
    "ClassVectors",
    "ClusterNegatives",
    "ClusteredNeighbours",
    "Composed",
    "Coupled",
    "CrossView",
    "CutDomains",
    "DetectReplaced",
    "Discourse",
    "DistanceFromStart",
    "EmulatedLists",
    "EveryPair",
    "Forget",
    "Futures",
    "Guided",
    "InSets",
    "InterpolateNegatives",
    "KeysKnow",
    "LabelledKeys",
    "Lists",
    "MeanOfBlocks",
    "MixHardPairs",
    "MixNegatives",
    "MixPositives",
    "MixTargets",
    "MomentumQueue",
    "NoiseNegatives",
    "OneDomain",
    "OrderedLists",
    "OwnGuide",
    "PairFeatures",
    "PairGates",
    "PairsOfViews",
    "Predictor",
    "Procedure",
    "Prototypes",
    "Queue",
    "Rebuild",
    "RestOfViews",
    "SampledAttention",
    "SeveralItems",
    "SeveralVectors",
    "SpanLists",
    "SparseCodes",
    "Teacher",
    "TokenTask",
    "TurnedViews",
    "TwoKinds",
    "Verbalizer",
    "moved_by_order",
    "shares",
]
