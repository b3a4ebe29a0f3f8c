"""iSogCLR: every sample has its own temperature, found by a robust loss."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import IndividualTemperature
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, knn_accuracy, long_tail, probe_accuracy
from counterpoint.systems.core.macl import at_a_tenth
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system

_IMAGES = 60_000


@system(
    "iSogCLR",
    title="Not All Semantics are Created Equal: Contrastive Self-supervised Learning with Automatic Temperature "
    "Individualization",
    year=2023,
    family="core",
    mechanism="tests/systems/test_isogclr.py::test_three_steps_are_those_of_algorithm_1_by_hand",
    run=run_on_images,
    claims=(
        Claim(
            "On imbalanced data temperatures of their own are better than one",
            "probe accuracy",
            "SimCLR at temperature 0.1",
        ),
        Claim("So are the neighbours", "5-nearest-neighbour accuracy", "SimCLR at temperature 0.1"),
    ),
    measure=claims(
        (probe_accuracy, lambda: isogclr(), at_a_tenth),
        (knn_accuracy, lambda: isogclr(), at_a_tenth),
        data=long_tail,
    ),
    setup=SETUP
    + " In training classes grow rarer, down to a twentieth of the most frequent; the test half is as it is. "
    "rho bounds how far a batch's negatives may be from equal weights, in nats; the code's 6 is above what 510 of them "
    "can reach, so it is 1 here.",
)
def isogclr() -> Recipe:
    """Qiu et al. 2023: temperatures from 0.1, not below 0.05; rho 1 (nats)."""
    return plain().varied(
        "iSogCLR",
        objective=lambda: IndividualTemperature(_IMAGES, temperature=0.1, minimum=0.05, rho=1.0),
    )
