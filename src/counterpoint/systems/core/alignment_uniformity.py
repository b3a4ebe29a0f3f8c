"""Alignment and uniformity: what InfoNCE becomes with many negatives, optimised directly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment, Uniformity
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import CIFAR, Trained, Tuned
from counterpoint.testbeds.contrast import agreement, aligned_and_uniform
from counterpoint.testbeds.figures import deviation, probe_accuracy

WEIGHTS = (0.5, 1.0, 2.0)
"""Of uniformity, as many as there are temperatures for the contrastive loss."""
_SHORT = replace(CIFAR, name="CIFAR-10, 3 epochs", epochs=3)


def linear_head(width: int) -> nn.Module:
    """The last layer of the authors' encoder, whose output takes the loss; probes see what goes into it."""
    return projection(width, out=128)


def linear_simclr(temperature: float = 0.5) -> Recipe:
    """The contrastive loss on the same layer."""
    return simclr(temperature).varied("Contrastive loss", head=linear_head)


def alignment_uniformity(weight: float = 1.0) -> Recipe:
    """Wang and Isola 2020, section 4.1: alignment with alpha = 2 plus uniformity with t = 2, weights 1 and 1."""
    return linear_simclr().varied("Alignment & Uniformity", objective=lambda: Alignment(2.0) + weight * Uniformity(2.0))


def alignment_alone() -> Recipe:
    """Without uniformity nothing keeps the points apart."""
    return linear_simclr().varied("Alignment alone", objective=Alignment)


def uniformity_alone() -> Recipe:
    """Without alignment nothing says which points belong together."""
    return linear_simclr().varied("Uniformity alone", objective=Uniformity)


def agree(seed: int) -> Mapping[str, float]:
    """Over eight short trainings: how well both metrics on held-out pictures rank the accuracy of a probe."""
    makes = [partial(linear_simclr, t) for t in (0.07, *TEMPERATURES)]
    makes += [partial(alignment_uniformity, weight) for weight in (0.1, *WEIGHTS)]
    found = agreement(_SHORT, seed, aligned_and_uniform, probe_accuracy(), [Trained(make) for make in makes])
    return {"system": -found, "baseline": 0.0, "ceiling": 1.0}


system(
    "Alignment & Uniformity",
    title="Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere",
    year=2020,
    family="core",
    mechanism="tests/systems/test_alignment_uniformity.py::test_loss_is_that_of_a_naive_loop_over_pairs",
    claims=(
        Claim(
            "Optimising both directly is as good as a contrastive loss, or better",
            probe_accuracy(),
            "the contrastive loss on the same layer, its temperature chosen",
            SELF_SUPERVISED,
            Tuned(linear_simclr, TEMPERATURES),
            system=Tuned(alignment_uniformity, WEIGHTS),
            margin=0.01,
        ),
        Claim(
            "Runs that are better aligned and more uniform have better representations",
            "rank correlation of both metrics' sum, its sign turned, and probe accuracy",
            "chance",
            floors=(),
            check=agree,
        ),
        Claim(
            "Uniformity is needed: alignment alone makes all vectors one",
            deviation,
            "alignment alone",
            SELF_SUPERVISED,
            Trained(alignment_alone),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "Alignment is needed",
            probe_accuracy(),
            "uniformity alone",
            SELF_SUPERVISED,
            Trained(uniformity_alone),
            floors=(),
        ),
    ),
    signal=Signal(deviation, off=Trained(alignment_alone)),
    setup="The paper says comparable or better, so up to one point of accuracy less is as good. Weight of uniformity "
    "and temperature are chosen from three. As in the authors' code there is no other head than the last layer, "
    "of 128; their dense layers before it have BatchNorm, ours GroupNorm in the encoder alone. Agreement is "
    "measured over eight trainings of 3 epochs. AdamW stands in for SGD; batches of 256 in place of 768.",
)(alignment_uniformity)
