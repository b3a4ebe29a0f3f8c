"""Debiased contrastive learning: what the positives' own class adds to the negatives is estimated and taken out."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import Debiased
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import versus
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def hard_negatives() -> Recipe:
    """Robinson et al. 2021, their code's defaults: prior 0.1, hardness 1, temperature 0.5."""
    return simclr().varied("Hard negative samples", objective=lambda: Debiased(0.5, prior=0.1, hardness=1.0))


@system(
    "Debiased CL",
    title="Debiased Contrastive Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_debiased.py::test_loss_is_that_of_a_naive_loop_over_views",
    variants={"Hard negative samples": hard_negatives},
    run=run_on_images,
    claims=(
        Claim(
            "Taking same-class keys out of the negatives' mean improves the representation",
            "probe accuracy",
            "SimCLR, same temperature",
        ),
    ),
    measure=versus(lambda: debiased(), simclr),
    setup=SETUP + " The prior is 0.1, which is true of ten digits.",
)
def debiased() -> Recipe:
    """Chuang et al. 2020, equations 7 and 8 with one positive (M = 1): temperature 0.5, prior 0.1 for ten classes."""
    return simclr().varied("Debiased CL", objective=lambda: Debiased(0.5, prior=0.1))
