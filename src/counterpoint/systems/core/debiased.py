"""Debiased contrastive learning: what the positives' own class adds to the negatives is estimated and taken out."""

from __future__ import annotations

from functools import partial

from counterpoint.methods import Recipe
from counterpoint.objectives import Debiased, InfoNCE
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, TUNED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.contrast import taken_out
from counterpoint.testbeds.figures import probe_accuracy

_PRIOR = 0.1


def debiased(temperature: float = 0.5) -> Recipe:
    """Chuang et al. 2020, equations 7 and 8 with one positive (M = 1): temperature 0.5, prior 0.1 for ten classes."""
    return simclr().varied("Debiased CL", objective=lambda: Debiased(temperature, prior=_PRIOR))


def two_positives() -> Recipe:
    """The same with M = 2: three views, so that the positives' mean is that of two."""
    return debiased().varied("Debiased CL, 2 positives", views=3)


def hard_negatives() -> Recipe:
    """Robinson et al. 2021, their code's defaults: prior 0.1, hardness 1, temperature 0.5."""
    return simclr().varied("Hard negative samples", objective=lambda: Debiased(0.5, prior=_PRIOR, hardness=1.0))


def unbiased(temperature: float = 0.5) -> Recipe:
    """SimCLR whose negatives are of other classes: what both estimate, told by the labels."""
    rule = Relation(ignored=same("label") & ~same("sample"))
    return simclr().varied("Unbiased", objective=lambda: InfoNCE(temperature, layout="views", relation=rule))


ORACLE = Tuned(unbiased, TEMPERATURES)

system(
    "Debiased CL",
    title="Debiased Contrastive Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_debiased.py::test_loss_is_that_of_a_naive_loop_over_views",
    variants={"Debiased CL, 2 positives": two_positives, "Hard negative samples": hard_negatives},
    claims=(
        Claim(
            "Taking same-class keys out of the negatives' mean improves the representation",
            probe_accuracy(),
            "SimCLR",
            SELF_SUPERVISED,
            TUNED,
            system=Tuned(debiased, TEMPERATURES),
            ceiling=ORACLE,
        ),
        Claim(
            "Estimating it by more positives is better",
            probe_accuracy(),
            "one positive, as many encoded views",
            SELF_SUPERVISED,
            Trained(partial(debiased, 0.5)),
            system=Trained(two_positives),
            ceiling=ORACLE,
        ),
        Claim(
            "Hard negatives beside it are better (Robinson et al. 2021)",
            probe_accuracy(),
            "debiasing alone, same temperature and prior",
            SELF_SUPERVISED,
            Trained(partial(debiased, 0.5)),
            system=Trained(hard_negatives),
            ceiling=ORACLE,
        ),
    ),
    signal=Signal(taken_out, off=Trained(partial(simclr, 0.5))),
    setup="The prior is 0.1, which is true of ten classes. Temperatures of the main claim are chosen from three on "
    "both sides. The ceiling is SimCLR that is told which negatives are of the same class. With two positives each is "
    "contrasted, and their mean is taken out; three views have fewer epochs. AdamW stands in for Adam, GroupNorm for "
    "the encoder's BatchNorm.",
)(debiased)
