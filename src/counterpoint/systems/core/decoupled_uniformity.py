"""Decoupled Uniformity: uniform centroids, and what is known beforehand smooths them."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.config import Config
from counterpoint.objectives import DecoupledUniformity
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, knn_accuracy, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system



@system(
    "Decoupled Uniformity",
    title="Integrating Prior Knowledge in Contrastive Learning with Kernel",
    year=2022,
    family="core",
    mechanism="tests/systems/test_decoupled_uniformity.py::test_loss_is_that_of_a_naive_loop_over_centroids",
    run=run_on_images,
    claims=(
        Claim("Uniform centroids alone are better than a contrastive loss", "probe accuracy", "SimCLR"),
        Claim("A weak attribute as prior knowledge improves it", "5-nearest-neighbour accuracy", "without prior"),
    ),
    measure=claims((probe_accuracy, lambda: decoupled_uniformity(), simclr), (knn_accuracy, with_prior, decoupled_uniformity_alone)),
    setup=SETUP + " The weak attribute is whether a digit is one of 0, 6, 8 and 9, which have a loop; kernel of width 0.5, ridge 0.1.",
)
def decoupled_uniformity() -> Config:
    """Dufumier et al. 2023, equation 3, t = 2."""
    return decoupled_uniformity_alone()
