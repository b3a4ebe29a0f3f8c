"""Decoupled Uniformity: uniform centroids, and what is known beforehand smooths them."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Prepare, Recipe, Takes
from counterpoint.objectives import DecoupledUniformity
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, TUNED, simclr
from counterpoint.systems.core._supervised import SUPERVISED
from counterpoint.systems.core.ccl_k import ccl_k
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.figures import probe_accuracy, rank
from counterpoint.testbeds.weak import ATTRIBUTES, DIGITS_ATTRIBUTES, principal, shuffled

RIDGE, WIDTH, CODES = 0.01, 2.2, 1.0
"""Both widths are about the distance of two pictures."""
SCALES = (1.0, 2.0, 4.0)
"""What `t` is chosen from where a rival's temperature is: the authors', and half and twice as much."""


def deep_head(width: int) -> nn.Module:
    """The authors' head: three layers, no normalisation."""
    return projection(width, hidden=(width, width))


def decoupled_uniformity(t: float = 2.0) -> Recipe:
    """Dufumier et al. 2023, equation 3, t = 2."""
    return simclr().varied("Decoupled Uniformity", objective=partial(DecoupledUniformity, t), head=deep_head)


def with_prior(t: float = 2.0) -> Recipe:
    """Centroids smoothed by weak attributes."""
    return decoupled_uniformity().varied(
        "Decoupled Uniformity with attributes",
        takes=Takes("image", columns=("attributes",)),
        objective=partial(DecoupledUniformity, t, prior="attributes", width=WIDTH, ridge=RIDGE),
    )


def with_generator() -> Recipe:
    """Centroids smoothed by the codes that a generative model has for the pictures."""
    return decoupled_uniformity().varied(
        "Decoupled Uniformity with generator",
        objective=partial(DecoupledUniformity, 2.0, prior="code", width=CODES, ridge=RIDGE),
        prepare=(principal("code"),),
    )


def _with(name: str, *prepare: Prepare) -> Recipe:
    return with_prior().varied(name, prepare=prepare)


def shuffled_prior() -> Recipe:
    """Attributes of other pictures."""
    return _with("Decoupled Uniformity, attributes of others", shuffled("attributes"))


def shuffled_codes() -> Recipe:
    """Codes of other pictures."""
    prepare = (principal("code"), shuffled("code"))
    return with_generator().varied("Decoupled Uniformity, codes of others", prepare=prepare)


system(
    "Decoupled Uniformity",
    title="Integrating Prior Knowledge in Contrastive Learning with Kernel",
    year=2022,
    family="core",
    mechanism="tests/systems/test_decoupled_uniformity.py::test_loss_is_that_of_a_naive_loop_over_centroids",
    variants={
        "Decoupled Uniformity with attributes": with_prior,
        "Decoupled Uniformity with generator": with_generator,
    },
    sample=DIGITS_ATTRIBUTES,
    claims=(
        Claim(
            "Weak attributes as prior knowledge improve it",
            probe_accuracy(),
            "without the prior",
            ATTRIBUTES,
            Trained(decoupled_uniformity),
            system=Trained(with_prior),
            off=Trained(shuffled_prior),
            ceiling=SUPERVISED.ceiling,
        ),
        Claim(
            "They serve it better than a kernel on the conditioning variable does",
            probe_accuracy(),
            "CCL-K with the same attributes, its temperature chosen",
            ATTRIBUTES,
            Tuned(ccl_k, TEMPERATURES),
            system=Tuned(with_prior, SCALES),
            ceiling=SUPERVISED.ceiling,
        ),
        Claim(
            "The codes of a generative model as prior knowledge improve it",
            probe_accuracy(),
            "without the prior",
            ATTRIBUTES,
            Trained(decoupled_uniformity),
            system=Trained(with_generator),
            off=Trained(shuffled_codes),
            ceiling=SUPERVISED.ceiling,
        ),
        Claim(
            "Uniform centroids alone are better than a contrastive loss",
            probe_accuracy(),
            "SimCLR, its temperature chosen",
            SELF_SUPERVISED,
            TUNED,
            system=Tuned(decoupled_uniformity, SCALES),
        ),
    ),
    signal=Signal(rank, off=Trained(simclr), bed=SELF_SUPERVISED),
    setup="Twelve noisy attributes stand for the 126 of UT-Zappos and the 312 of CUB, principal components of the "
    "pixels for the codes of a BigBiGAN: a linear generator knows less. Gaussian kernels as wide as two pictures are "
    "apart; ridge 0.01 and t = 2 as in the authors' code, or one of three t where a rival's temperature is chosen. The "
    "authors' head, three layers without BatchNorm, is as wide as the encoder (2,048 and 256 there). AdamW for 15 "
    "epochs stands in for SGD for 400 and more. The ceiling is SupCon with twice the pictures and four times the "
    "steps: the classes themselves as prior knowledge were no ceiling (0.373).",
)(decoupled_uniformity)
