"""MACL: the temperature rises with the alignment, and easy rows get their gradient back."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import MACL, InfoNCE
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import versus
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def at_a_tenth() -> Recipe:
    """The baseline: the same initial temperature, kept."""
    return simclr().varied("SimCLR at 0.1", objective=lambda: InfoNCE(0.1, layout="views"))


@system(
    "MACL",
    title="Model-Aware Contrastive Learning: Towards Escaping the Dilemmas",
    year=2022,
    family="core",
    mechanism="tests/systems/test_macl.py::test_loss_is_that_of_a_naive_loop_over_views",
    run=run_on_images,
    claims=(
        Claim(
            "An alignment-aware temperature with reweighting is better than a fixed one",
            "probe accuracy",
            "SimCLR at temperature 0.1",
        ),
    ),
    measure=versus(lambda: macl(), at_a_tenth),
    setup=SETUP,
)
def macl() -> Recipe:
    """Huang et al. 2023: initial temperature 0.1, alpha 0.5, threshold 0 (their SimCLR runs)."""
    return simclr().varied("MACL", objective=lambda: MACL(0.1, alpha=0.5))
