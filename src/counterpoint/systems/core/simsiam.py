"""SimSiam: two views, a predictor and a stopped gradient; no negatives, no teacher."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment
from counterpoint.procedures import Chain, Predictor, Teacher
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, probe_accuracy, spread
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def _head(width: int) -> nn.Module:
    layers = [projection(width, last=lambda: nn.LayerNorm(width)) for _ in range(3)]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def _predictor(width: int) -> nn.Module:
    narrow = width // 4
    first = projection(width, out=narrow, last=lambda: nn.LayerNorm(narrow))
    return nn.Sequential(first, nn.ReLU(), nn.Linear(narrow, width))


def no_stop() -> Recipe:
    """The same with the gradient through both sides."""
    return simsiam().varied("No stop-gradient", procedure=lambda width: Predictor(_predictor(width)))


def no_predictor() -> Recipe:
    """The same with the identity for a predictor."""
    return simsiam().varied("No predictor", procedure=lambda _: Teacher(0.0))


@system(
    "SimSiam",
    title="Exploring Simple Siamese Representation Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_simsiam.py::test_loss_is_the_negative_cosine_with_stopped_targets",
    run=run_on_images,
    claims=(
        Claim(
            "The stopped gradient keeps it from collapse", "effective rank of the projection", "without stop-gradient"
        ),
        Claim("So does the predictor", "effective rank of the projection", "without predictor"),
        Claim("The representation is better than a contrastive one", "probe accuracy", "SimCLR"),
    ),
    measure=claims(
        (spread, lambda: simsiam(), no_stop),
        (spread, lambda: simsiam(), no_predictor),
        (probe_accuracy, lambda: simsiam(), simclr),
    ),
    setup=SETUP
    + " LayerNorm stands where head and predictor of theirs have BatchNorm: vectors do not depend on their batch.",
)
def simsiam() -> Recipe:
    """Chen and He 2021, equation 4 and algorithm 1: a head of three layers, a predictor with a bottleneck."""
    return simclr().varied(
        "SimSiam",
        objective=Alignment,
        head=_head,
        procedure=lambda width: Chain(Teacher(0.0), Predictor(_predictor(width))),
    )
