"""Alignment and uniformity: what InfoNCE becomes with many negatives, optimised directly."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment, Uniformity
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import versus
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def alignment_only() -> Recipe:
    """Without uniformity nothing keeps the points apart."""
    return simclr().varied("Alignment only", objective=Alignment)


@system(
    "Alignment & Uniformity",
    title="Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere",
    year=2020,
    family="core",
    mechanism="tests/systems/test_alignment_uniformity.py::test_loss_is_that_of_a_naive_loop_over_pairs",
    run=run_on_images,
    claims=(
        Claim("Optimising both directly is better than a contrastive loss", "probe accuracy", "SimCLR"),
        Claim("Both are needed", "probe accuracy", "alignment alone"),
    ),
    measure=versus(lambda: alignment_uniformity(), simclr, alignment_only),
    setup=SETUP + " The paper says comparable or better; what is tested is better.",
)
def alignment_uniformity() -> Recipe:
    """Wang and Isola 2020, section 4.1: alignment with alpha = 2 plus uniformity with t = 2."""
    return simclr().varied("Alignment & Uniformity", objective=lambda: Alignment(2.0) + Uniformity(2.0))
