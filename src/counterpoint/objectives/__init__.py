"""Objectives: from scores and a relation to a loss. `REGISTRY` names every one; the guarantee test runs over it."""

from __future__ import annotations

from collections.abc import Callable

from counterpoint.errors import InputError
from counterpoint.objectives._base import Objective, PointObjective, RowObjective
from counterpoint.objectives._layouts import Guide
from counterpoint.objectives.distillation import DistillKL, MarginMSE
from counterpoint.objectives.distribution import Alignment, CoSENT, Uniformity, VICReg
from counterpoint.objectives.margin import Sigmoid, Triplet
from counterpoint.objectives.mutual_information import JSD, NWJ
from counterpoint.objectives.softmax import Debiased, Decoupled, InfoNCE, SupCon, softmax_rows
from counterpoint.objectives.spectral import Spectral
from counterpoint.objectives.sums import Matryoshka, Sum

REGISTRY: dict[str, Callable[[], Objective]] = {
    "infonce": InfoNCE,
    "infonce-symmetric": lambda: InfoNCE(layout="symmetric"),
    "nt-xent": lambda: InfoNCE(0.5, layout="views"),
    "infonce-joint": lambda: InfoNCE(0.01, layout="joint"),
    "nt-xent-am": lambda: InfoNCE(0.03, layout="views", margin=0.1),
    "snt-xent-aam": lambda: InfoNCE(0.03, layout="views", angular_margin=0.1),
    "decoupled": Decoupled,
    "debiased": Debiased,
    "hard-negatives": lambda: Debiased(hardness=1.0),
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
    "vicreg": VICReg,
    "spectral": Spectral,
    "nwj": NWJ,
    "jsd": JSD,
}
"""Every objective under its published setting."""


def objective(name: str) -> Objective:
    """The registered objective of that name, under its published setting.

    Examples:
        >>> objective("nt-xent").kind
        'row'
    """
    if name not in REGISTRY:
        raise InputError(f"no objective is called {name!r}", fix=f"choose from {', '.join(REGISTRY)}")
    return REGISTRY[name]()


__all__ = [
    "JSD",
    "NWJ",
    "REGISTRY",
    "Alignment",
    "CoSENT",
    "Debiased",
    "Decoupled",
    "DistillKL",
    "Guide",
    "InfoNCE",
    "MarginMSE",
    "Matryoshka",
    "Objective",
    "PointObjective",
    "RowObjective",
    "Sigmoid",
    "Spectral",
    "Sum",
    "SupCon",
    "Triplet",
    "Uniformity",
    "VICReg",
    "objective",
    "softmax_rows",
]
