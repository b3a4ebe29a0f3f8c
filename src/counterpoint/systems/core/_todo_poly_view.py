"""Poly-View: many views of a sample, averaged inside or outside the logarithm."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.objectives.softmax import Average
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def _four(name: str, average: Average) -> Recipe:
    train = replace(training(4), batch_size=128)
    return simclr().varied(name, objective=lambda: InfoNCE(0.5, layout="views", average=average), views=4, train=train)


def arithmetic() -> Recipe:
    """Equation 11: the mean over views inside the logarithm."""
    return _four("Poly-View, arithmetic", "inside")


@system(
    "Poly-View",
    title="Poly-View Contrastive Learning",
    year=2023,
    family="core",
    mechanism="tests/systems/test_poly_view.py::test_geometric_and_arithmetic_losses_are_those_of_a_naive_loop",
    variants={"Poly-View, arithmetic": arithmetic},
    run=run_on_images,
    claims=(
        Claim(
            "Four views of half as many images are better than two views, at as many encoded views",
            "probe accuracy",
            "SimCLR at twice the batch",
        ),
    ),
    measure=claims((probe_accuracy, lambda: poly_view(), simclr)),
    setup=SETUP
    + " Batches have 128 images in four views, against 256 in two: as many views in a step, and as many steps.",
)
def poly_view() -> Recipe:
    """Shidani et al. 2024, equation 12 (geometric): four views, batches of 128."""
    return _four("Poly-View", "outside")
