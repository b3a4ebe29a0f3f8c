"""Objectives: from scores and a relation to a loss. `REGISTRY` names every one; the guarantee test runs over it."""

from __future__ import annotations

from collections.abc import Callable

from counterpoint.errors import InputError
from counterpoint.objectives._base import Objective, PointObjective, RowObjective, ScoredObjective
from counterpoint.objectives._layouts import Guide
from counterpoint.objectives.adaptive import MACL, IndividualTemperature
from counterpoint.objectives.attraction import CACR, EnergyConfusion, PositiveTilt
from counterpoint.objectives.clusters import SwAV, sinkhorn
from counterpoint.objectives.distillation import DistillKL, MarginMSE
from counterpoint.objectives.distribution import Alignment, CoSENT, DecoupledUniformity, Uniformity, VICReg
from counterpoint.objectives.encouraging import Encouraging
from counterpoint.objectives.margin import Sigmoid, Triplet
from counterpoint.objectives.multiview import MultiView
from counterpoint.objectives.reweight import Reweight, hardest, hardness
from counterpoint.objectives.softmax import Debiased, Decoupled, InfoNCE, SupCon, softmax_rows
from counterpoint.objectives.sorting import GroCo, odd_even_sort
from counterpoint.objectives.sums import Matryoshka, Sum
from counterpoint.objectives.whitening import WMSE, whiten

REGISTRY: dict[str, Callable[..., Objective]] = {
    "infonce": InfoNCE,
    "infonce-symmetric": lambda: InfoNCE(layout="symmetric"),
    "nt-xent": lambda: InfoNCE(0.5, layout="views"),
    "infonce-joint": lambda: InfoNCE(0.01, layout="joint"),
    "nt-xent-am": lambda: InfoNCE(0.03, layout="views", margin=0.1),
    "snt-xent-aam": lambda: InfoNCE(0.03, layout="views", angular_margin=0.1),
    "infonce-hardness": lambda: InfoNCE(0.02, reweight=hardness(9.0)),
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
    "isogclr": lambda: IndividualTemperature(1024),
    "cacr": CACR,
    "energy-confusion": EnergyConfusion,
    "encouraging": Encouraging,
    "groco": GroCo,
    "supcon-out": SupCon,
    "supcon-in": lambda: SupCon(average="inside"),
    "triplet": Triplet,
    "triplet-hard": lambda: Triplet(mining="hard"),
    "triplet-semi-hard": lambda: Triplet(mining="semi-hard"),
    "sigmoid": Sigmoid,
    "cosent": CoSENT,
    "margin-mse": MarginMSE,
    "distill-kl": DistillKL,
    "alignment": Alignment,
    "uniformity": Uniformity,
    "decoupled-uniformity": DecoupledUniformity,
    "vicreg": VICReg,
    "w-mse": lambda: WMSE(epsilon=0.1),
    "swav": lambda dim=128: SwAV(dim, 300),
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
    "MACL",
    "REGISTRY",
    "WMSE",
    "Alignment",
    "CoSENT",
    "Debiased",
    "Decoupled",
    "DecoupledUniformity",
    "DistillKL",
    "Encouraging",
    "EnergyConfusion",
    "GroCo",
    "Guide",
    "IndividualTemperature",
    "InfoNCE",
    "MarginMSE",
    "Matryoshka",
    "MultiView",
    "Objective",
    "PointObjective",
    "PositiveTilt",
    "Reweight",
    "RowObjective",
    "ScoredObjective",
    "Sigmoid",
    "Sum",
    "SupCon",
    "SwAV",
    "Triplet",
    "Uniformity",
    "VICReg",
    "hardest",
    "hardness",
    "objective",
    "odd_even_sort",
    "sinkhorn",
    "softmax_rows",
    "whiten",
]
