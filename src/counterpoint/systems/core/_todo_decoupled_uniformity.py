"""Decoupled Uniformity: uniform centroids, and what is known beforehand smooths them."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.images import Images
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import DecoupledUniformity
from counterpoint.systems.core._digits import SETUP, halves, run_on_images
from counterpoint.systems.core._versus import claims, knn_accuracy, probe_accuracy
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system

_LOOPS = torch.tensor([0, 6, 8, 9])


def with_attribute(seed: int) -> tuple[Images, Images]:
    """Digits and whether they have a loop."""
    train, test = halves(seed)
    return replace(train, columns={"loop": torch.isin(train.labels, _LOOPS).long()}), test


def with_prior() -> Recipe:
    """Centroids smoothed by the weak attribute."""
    return plain().varied(
        "Decoupled Uniformity with prior",
        takes=Takes("image", columns=("loop",)),
        objective=lambda: DecoupledUniformity(2.0, prior="loop", width=0.5, ridge=0.1),
    )


@system(
    "Decoupled Uniformity",
    title="Integrating Prior Knowledge in Contrastive Learning with Kernel",
    year=2022,
    family="core",
    mechanism="tests/systems/test_decoupled_uniformity.py::test_loss_is_that_of_a_naive_loop_over_centroids",
    run=run_on_images,
    claims=(
        Claim("Uniform centroids alone are better than a contrastive loss", "probe accuracy", "SimCLR"),
        Claim("A weak attribute as prior knowledge improves it", "5-nearest-neighbour accuracy", "without the prior"),
    ),
    measure=claims(
        (probe_accuracy, lambda: decoupled_uniformity(), plain),
        (knn_accuracy, with_prior, lambda: decoupled_uniformity()),
        data=with_attribute,
    ),
    setup=SETUP + " The weak attribute is whether a digit has a loop (0, 6, 8, 9); kernel of width 0.5, ridge 0.1.",
)
def decoupled_uniformity() -> Recipe:
    """Dufumier et al. 2023, equation 3, t = 2."""
    return plain().varied("Decoupled Uniformity", objective=lambda: DecoupledUniformity(2.0))
