"""Objectives: from scores and a relation to a loss. `REGISTRY` names every one; the guarantee test runs over it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.geometry import Euclidean
from counterpoint.objectives._base import Objective, PointObjective, RowObjective, ScoredObjective
from counterpoint.objectives._layouts import Guide
from counterpoint.objectives.adaptive import MACL, IndividualTemperature, PairTemperature
from counterpoint.objectives.angular import AngularSoftmax
from counterpoint.objectives.attraction import CACR, EnergyConfusion, PositiveTilt
from counterpoint.objectives.autoencoding import (
    Adversary,
    AutoEncoding,
    SparseReconstruction,
    TopicELBO,
    WeightedErrors,
)
from counterpoint.objectives.balance import Balance
from counterpoint.objectives.bounded import BoundedMargin
from counterpoint.objectives.clusters import SwAV, sinkhorn
from counterpoint.objectives.conditional import AdaptiveMargin, KernelConditional
from counterpoint.objectives.distillation import AgainstRanker, DistillKL, LambdaMRR, ListMLE, MarginMSE, ScoreError
from counterpoint.objectives.distribution import Alignment, DecoupledUniformity, KoLeo, Uniformity, VICReg
from counterpoint.objectives.dynamic import DynamicTriplet
from counterpoint.objectives.encouraging import Encouraging
from counterpoint.objectives.focal import FocalSupCon
from counterpoint.objectives.gaussian import SIGReg, SlicedNormality
from counterpoint.objectives.graded import CoSENT, PairRegression, PointRegression, ScoredInfoNCE
from counterpoint.objectives.hedged import HedgedMatch, SoftContrastive, StandardNormal
from counterpoint.objectives.history import BadPairs
from counterpoint.objectives.imitation import (
    ContrastiveImitation,
    FeatureImitation,
    OrderImitation,
    RankImitation,
)
from counterpoint.objectives.margin import Sigmoid, Triplet
from counterpoint.objectives.matching import Matching
from counterpoint.objectives.mining import (
    Mined,
    below_the_guide,
    between,
    beyond,
    by_distance,
    near_the_other_side,
    pick,
    self_adversarial,
    softmax_weighted,
)
from counterpoint.objectives.multiview import MultiView
from counterpoint.objectives.mutual_information import JSD, NWJ, GaussianInformation
from counterpoint.objectives.neighbours import NeighbourScore
from counterpoint.objectives.pairs import Pairs, Pool, Pooled
from counterpoint.objectives.pareto import MGDA
from counterpoint.objectives.parts import KernelEntropy, Lengths, Part, Shrink
from counterpoint.objectives.pooled import SetContrast
from counterpoint.objectives.propensity import InversePropensity
from counterpoint.objectives.proxies import Logits, Proxies
from counterpoint.objectives.ranking import FastAP, Ranking
from counterpoint.objectives.redundancy import (
    BarlowTwins,
    CodingRate,
    CovarianceContrast,
    Decorrelation,
    EffectiveRank,
    FrobeniusSpread,
    KernelAlignment,
    ManifoldCapacity,
)
from counterpoint.objectives.reweight import Reweight, averaged, hardest, hardness
from counterpoint.objectives.softmax import Debiased, Decoupled, InfoNCE, SupCon, softmax_rows
from counterpoint.objectives.sorting import GroCo, odd_even_sort
from counterpoint.objectives.sparsity import FLOPS
from counterpoint.objectives.spectral import Spectral
from counterpoint.objectives.sums import Apart, InTurn, Matryoshka, Only, Sum, SumBy
from counterpoint.objectives.together import (
    Angular,
    Histogram,
    InterSet,
    LiftedStructure,
    MinedTogether,
    PairVariance,
    among_the_other_side,
    even_scores,
    hardest_share,
)
from counterpoint.objectives.whitening import WMSE, whiten

REGISTRY: dict[str, Callable[..., Objective]] = {
    "infonce": InfoNCE,
    "infonce-symmetric": lambda: InfoNCE(layout="symmetric"),
    "nt-xent": lambda: InfoNCE(0.5, layout="views"),
    "infonce-joint": lambda: InfoNCE(0.01, layout="joint"),
    "nt-xent-am": lambda: InfoNCE(0.03, layout="views", margin=0.1),
    "snt-xent-aam": lambda: InfoNCE(0.03, layout="views", angular_margin=0.1),
    "infonce-hardness": lambda: InfoNCE(0.02, reweight=hardness(9.0)),
    "infonce-averaged": lambda: InfoNCE(0.1, reweight=averaged()),
    "infonce-hardest": lambda: InfoNCE(0.1, layout="views", reweight=hardest(0.1)),
    "poly-view-arithmetic": lambda: InfoNCE(0.1, layout="views", average="inside"),
    "mv-infonce": MultiView,
    "mv-dhel": lambda: MultiView(denominator="each-view"),
    "decoupled": Decoupled,
    "debiased": Debiased,
    "hard-negatives": lambda: Debiased(hardness=1.0),
    "dclw": lambda: Decoupled() + PositiveTilt(),
    "positive-tilt": PositiveTilt,
    "macl": MACL,
    "amcl": lambda dim=128: PairTemperature(dim, hardest=3),
    "isogclr": lambda samples=1024: IndividualTemperature(samples),
    "cacr": CACR,
    "energy-confusion": EnergyConfusion,
    "encouraging": Encouraging,
    "adaptive-margin": AdaptiveMargin,
    "ccl-k-positive": lambda: KernelConditional("label"),
    "ccl-k-negative": lambda: KernelConditional("label", role="negative"),
    "bad-pairs": lambda samples=1024: BadPairs(InfoNCE(0.2), samples),
    "groco": GroCo,
    "supcon-out": SupCon,
    "focal-supcon": FocalSupCon,
    "supcon-in": lambda: SupCon(average="inside"),
    "triplet": Triplet,
    "bounded-margin": lambda: BoundedMargin(0.1, 0.3),
    "triplet-hard": lambda: Triplet(mining="hard"),
    "triplet-semi-hard": lambda: Triplet(mining="semi-hard"),
    "sigmoid": Sigmoid,
    "cosent": CoSENT,
    "pair-regression": PairRegression,
    "scored-infonce": ScoredInfoNCE,
    "margin-mse": MarginMSE,
    "distill-kl": DistillKL,
    "contrastive-imitation": ContrastiveImitation,
    "rank-imitation": RankImitation,
    "order-imitation": OrderImitation,
    "listmle": ListMLE,
    "against-ranker": AgainstRanker,
    "inverse-propensity": InversePropensity,
    "alignment": Alignment,
    "uniformity": Uniformity,
    "koleo": KoLeo,
    "decoupled-uniformity": DecoupledUniformity,
    "vicreg": VICReg,
    "w-mse": lambda: WMSE(epsilon=0.1),
    "swav": lambda dim=128: SwAV(dim, 300),
    "contrastive": lambda: Pairs(0.0, -1.0, shape=lambda v: F.relu(v).square(), geometry=Euclidean()),
    "contrastive-active": lambda: Pairs(0.9, 0.5, over="active"),
    "binomial-deviance": lambda: Pairs(0.5, 0.5, shape=lambda v: F.softplus(2 * v)),
    "triplet-active": lambda: Triplet(0.05, over="active", geometry=Euclidean(normalized=True)),
    "triplet-soft": lambda: Triplet(0.0, mining="hard", shape=F.softplus),
    "easy-positive": lambda: Mined(InfoNCE(0.1), pick(positive="easy")),
    "lifted-structure": LiftedStructure,
    "generalised-lifted-structure": lambda: Pooled(Pool(), Pool(-1.0), outer=F.relu, geometry=Euclidean()),
    "multi-similarity": lambda: Mined(
        Pooled(Pool(0.5, 2.0, floor=True), Pool(0.5, 50.0, floor=True)), near_the_other_side(0.1)
    ),
    "circle": lambda: Pooled(
        Pool(0.75, 256.0, pace=0.5), Pool(0.25, 256.0, pace=0.5), outer=lambda v: F.softplus(256 * v)
    ),
    "nca": lambda: Pooled(
        Pool(sharpness=-1.0), Pool(), outer=F.softplus, geometry=Euclidean(squared=True), layout="views"
    ),
    "easiest-and-hardest": lambda: Pooled(Pool(sharpness=-math.inf), Pool(sharpness=math.inf), outer=F.softplus),
    "proxies": lambda dim=128: Proxies(InfoNCE(0.3, margin=0.1), 10, dim),
    "cross-entropy": lambda dim=128: Logits(dim),
    "smooth-ap": Ranking,
    "fast-ap": FastAP,
    "pair-variance": lambda: PairVariance(0.01, 0.01),
    "angular": Angular,
    "histogram": Histogram,
    "inter-set": InterSet,
    "score-error": ScoreError,
    "guided": lambda: Mined(InfoNCE(0.1), below_the_guide()),
    "ring": lambda: Mined(InfoNCE(0.07), between(0.1, 0.3)),
    "self-adversarial": self_adversarial,
    "barlow-twins": BarlowTwins,
    "decorrelation": Decorrelation,
    "frossl": FrobeniusSpread,
    "coding-rate": CodingRate,
    "effective-rank": EffectiveRank,
    "mmcr": ManifoldCapacity,
    "icnn": NeighbourScore,
    "mmd": lambda: Matching("label"),
    "kernel-entropy": KernelEntropy,
    "part": lambda: Part(InfoNCE(0.1), 1, 4, silent="label"),
    "lengths": Lengths,
    "flops": FLOPS,
    "shrink": lambda: Shrink("label"),
    "coral": lambda: Matching("label", "coral"),
    "spectral": Spectral,
    "nwj": NWJ,
    "gaussian-information": GaussianInformation,
    "jsd": JSD,
    "tico": lambda: Pairs(1.0, shape=lambda v: v) + 8.0 * CovarianceContrast(0.9),
    "kernel-alignment": KernelAlignment,
    "sigreg": lambda: SIGReg(64),
    "sliced-normality": lambda: SlicedNormality(64),
    "balance": Balance,
    "large-margin-softmax": lambda: AngularSoftmax(multiply=4, lengths="both"),
    "sphereface": lambda: AngularSoftmax(multiply=4, lengths="query"),
    "tuplet-margin": lambda: AngularSoftmax(1 / 64, turn=-0.1),
    "dynamic-soft-margin": DynamicTriplet,
    "hardest-share": lambda: MinedTogether(Pairs(1.0, 0.0, over="terms"), hardest_share(0.5)),
    "normalised-softmax": lambda dim=128: Proxies(InfoNCE(0.05), 10, dim),
    "proxy-anchor": lambda dim=128: Proxies(
        32 * (Pooled(Pool(0.1, 32.0, floor=True)) + Pooled(push=Pool(-0.1, 32.0, floor=True))), 10, dim, rows="proxies"
    ),
}
"""Every objective under its published setting; those that learn vectors of their own take a `dim`."""


def objective(name: str, **options: int) -> Objective:
    """The registered objective of that name, under its published setting.

    Args:
        name: In `REGISTRY`.
        **options: `dim`, for those that learn vectors of their own, such as prototypes.

    Examples:
        >>> objective("nt-xent").kind
        'row'
    """
    if name not in REGISTRY:
        raise InputError(f"no objective is called {name!r}", fix=f"choose from {', '.join(REGISTRY)}")
    return REGISTRY[name](**options)


__all__ = [
    "CACR",
    "FLOPS",
    "JSD",
    "MACL",
    "MGDA",
    "NWJ",
    "REGISTRY",
    "WMSE",
    "AdaptiveMargin",
    "Adversary",
    "AgainstRanker",
    "Alignment",
    "Angular",
    "AngularSoftmax",
    "Apart",
    "AutoEncoding",
    "BadPairs",
    "Balance",
    "BarlowTwins",
    "BoundedMargin",
    "CoSENT",
    "CodingRate",
    "ContrastiveImitation",
    "CovarianceContrast",
    "Debiased",
    "Decorrelation",
    "Decoupled",
    "DecoupledUniformity",
    "DistillKL",
    "DynamicTriplet",
    "EffectiveRank",
    "Encouraging",
    "EnergyConfusion",
    "FastAP",
    "FeatureImitation",
    "FocalSupCon",
    "FrobeniusSpread",
    "GaussianInformation",
    "GroCo",
    "Guide",
    "HedgedMatch",
    "Histogram",
    "InTurn",
    "IndividualTemperature",
    "InfoNCE",
    "InterSet",
    "InversePropensity",
    "KernelAlignment",
    "KernelConditional",
    "KernelEntropy",
    "KoLeo",
    "LambdaMRR",
    "Lengths",
    "LiftedStructure",
    "ListMLE",
    "Logits",
    "ManifoldCapacity",
    "MarginMSE",
    "Matching",
    "Matryoshka",
    "Mined",
    "MinedTogether",
    "MultiView",
    "NeighbourScore",
    "Objective",
    "Only",
    "OrderImitation",
    "PairRegression",
    "PairTemperature",
    "PairVariance",
    "Pairs",
    "Part",
    "PointObjective",
    "PointRegression",
    "Pool",
    "Pooled",
    "PositiveTilt",
    "Proxies",
    "RankImitation",
    "Ranking",
    "Reweight",
    "RowObjective",
    "SIGReg",
    "ScoreError",
    "ScoredInfoNCE",
    "ScoredObjective",
    "SetContrast",
    "Shrink",
    "Sigmoid",
    "SlicedNormality",
    "SoftContrastive",
    "SparseReconstruction",
    "Spectral",
    "StandardNormal",
    "Sum",
    "SumBy",
    "SupCon",
    "SwAV",
    "TopicELBO",
    "Triplet",
    "Uniformity",
    "VICReg",
    "WeightedErrors",
    "among_the_other_side",
    "averaged",
    "below_the_guide",
    "between",
    "beyond",
    "by_distance",
    "even_scores",
    "hardest",
    "hardest_share",
    "hardness",
    "near_the_other_side",
    "objective",
    "odd_even_sort",
    "pick",
    "self_adversarial",
    "sinkhorn",
    "softmax_rows",
    "softmax_weighted",
    "whiten",
]
