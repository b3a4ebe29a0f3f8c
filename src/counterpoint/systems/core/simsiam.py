"""SimSiam: two views, a predictor and a stopped gradient; no negatives, no teacher."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import PerView, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment
from counterpoint.procedures import Chain, Predictor, Teacher
from counterpoint.systems.core._pictures import SELF_SUPERVISED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import DIGITS, Trained
from counterpoint.testbeds.figures import deviation, probe_accuracy


def projector(width: int) -> nn.Module:
    """Three layers, each with BatchNorm, the last one without scale and shift; statistics are those of one view."""
    return PerView(
        projection(width, hidden=(width, width), norm=nn.BatchNorm1d, last=lambda: nn.BatchNorm1d(width, affine=False))
    )


def _predictor(width: int) -> Predictor:
    return Predictor(projection(width, hidden=(width // 4,), norm=nn.BatchNorm1d))


def _predicted(width: int) -> Chain:
    return Chain(Teacher(0.0), _predictor(width))


def _both_follow(width: int) -> Chain:
    return Chain(Teacher(0.0, stop=False), _predictor(width))


def _not_predicted(_width: int) -> Teacher:
    return Teacher(0.0)


def simsiam() -> Recipe:
    """Chen and He 2021, equation 4 and algorithm 1: a head of three layers, a predictor with a bottleneck."""
    return simclr().varied("SimSiam", objective=Alignment, head=projector, procedure=_predicted)


def no_stop() -> Recipe:
    """The same with the gradient through both sides (their section 4.1)."""
    return simsiam().varied("No stop-gradient", procedure=_both_follow)


def no_predictor() -> Recipe:
    """The same with the identity for a predictor (their section 4.2)."""
    return simsiam().varied("No predictor", procedure=_not_predicted)


system(
    "SimSiam",
    title="Exploring Simple Siamese Representation Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_simsiam.py::test_loss_is_the_negative_cosine_with_stopped_targets",
    claims=(
        Claim(
            "The stopped gradient keeps it from collapse",
            deviation,
            "without stop-gradient",
            DIGITS,
            Trained(no_stop),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "So does the predictor",
            deviation,
            "without predictor",
            DIGITS,
            Trained(no_predictor),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "The representation is better than a contrastive one",
            probe_accuracy(),
            "SimCLR",
            SELF_SUPERVISED,
            Trained(simclr),
            off=Trained(no_stop),
        ),
    ),
    signal=Signal(deviation, off=Trained(no_stop)),
    setup="Head and predictor are the authors', as wide as the encoder: three layers and two, with BatchNorm of one "
    "view at a time, the bottleneck a quarter of the width. Their encoder has BatchNorm, too. The loss is 2 + 2 times "
    "theirs, and AdamW takes no notice of the factor. The predictor's rate falls as the others' do (on ImageNet theirs "
    "stays). Both it and SimCLR have the settings of their own papers' runs; SimSiam has no temperature to choose. A "
    "standard deviation of 1 is that of vectors spread evenly.",
)(simsiam)
