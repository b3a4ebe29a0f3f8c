"""SimSiam: two views, a predictor and a stopped gradient; no negatives, no teacher."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import PerView, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment
from counterpoint.procedures import Chain, Predictor, Teacher
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, deviation, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def projector(width: int) -> nn.Module:
    """Three layers, each with BatchNorm, the last one without scale and shift; statistics are those of one view."""
    return PerView(
        projection(width, hidden=(width, width), norm=nn.BatchNorm1d, last=lambda: nn.BatchNorm1d(width, affine=False))
    )


def _predictor(width: int) -> Predictor:
    return Predictor(projection(width, hidden=(width // 4,), norm=nn.BatchNorm1d))


def no_stop() -> Recipe:
    """The same with the gradient through both sides."""
    return simsiam().varied(
        "No stop-gradient", procedure=lambda width: Chain(Teacher(0.0, stop=False), _predictor(width))
    )


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
            "The stopped gradient keeps it from collapse",
            "standard deviation of the projection's unit vectors",
            "without stop-gradient",
        ),
        Claim("So does the predictor", "standard deviation of the projection's unit vectors", "without predictor"),
        Claim("The representation is better than a contrastive one", "probe accuracy", "SimCLR"),
    ),
    measure=claims(
        (deviation, lambda: simsiam(), no_stop),
        (deviation, lambda: simsiam(), no_predictor),
        (probe_accuracy, lambda: simsiam(), simclr),
    ),
    setup=SETUP
    + " Head and predictor are the authors', as wide as the encoder: three layers and two with BatchNorm, the "
    "bottleneck a quarter; their encoder has BatchNorm, too. The standard deviation over test images is the mean over "
    "dimensions, times the root of their number: 0 if all vectors are the same, 1 if they are spread evenly.",
)
def simsiam() -> Recipe:
    """Chen and He 2021, equation 4 and algorithm 1: a head of three layers, a predictor with a bottleneck."""
    return simclr().varied(
        "SimSiam",
        objective=Alignment,
        head=projector,
        procedure=lambda width: Chain(Teacher(0.0), _predictor(width)),
    )
