"""HIB: points are distributions, and who is not sure of himself says so."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import HedgedMatch, SoftContrastive, StandardNormal
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import TRAIN
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Seen, Trained
from counterpoint.testbeds.two_digits import (
    TWO_DIGITS,
    foresight,
    foresight_by_distance,
    hide_digits,
    identified,
    perceptron,
    uncertainty,
    uncertainty_spread,
    verified,
)

DRAWS, DIM, BETA, HIDDEN = 8, 4, 1e-2, 0.2
SCALE, BIAS, LOWER = 10.0, 2.0, 4.0
"""Where scale and bias begin, and how far below 0 the log-variance: the means' distances are then below one.

With the bottleneck at 1e-4 variances fall to 1e-6 in these steps, and nothing is hedged.
"""


def matching(draws: int) -> SoftContrastive:
    """Pairs of one class match."""
    return SoftContrastive(geometry=HedgedMatch(draws, scale=SCALE, bias=BIAS), relation=Relation(same("label")))


def gaussian(width: int) -> nn.Module:
    """A linear layer to mean and log-variance."""
    layer = projection(width, out=2 * DIM)
    last = layer[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias[DIM:] -= LOWER
    return layer


def point(width: int) -> nn.Module:
    """A linear layer to the means alone."""
    return projection(width, out=DIM)


def hib() -> Recipe:
    """Oh et al. 2019: matching by class (equations 2 to 4), the bottleneck of equation 7 at 1e-2, four dimensions."""
    stage = Stage(
        lambda: matching(DRAWS) + BETA * StandardNormal(),
        replace(TRAIN, batch_size=128, learning_rate=3e-3),
        head=gaussian,
        view=hide_digits(HIDDEN),
    )
    return Recipe("HIB", (stage,), Takes("image", schemas=("labelled",)), perceptron)


def points_only() -> Recipe:
    """The same loss on points."""
    return hib().varied("points", objective=lambda: matching(0), head=point)


system(
    "HIB",
    title="Modeling Uncertainty with Hedged Instance Embedding",
    year=2018,
    family="core",
    mechanism="tests/systems/test_hib.py::test_loss_is_that_of_a_naive_loop_over_all_pairs_of_draws",
    sample=TWO_DIGITS,
    claims=(
        Claim(
            "Hedging improves the matching of ambiguous images",
            verified(1),
            "points, same loss",
            TWO_DIGITS,
            Trained(points_only),
            ceiling=Seen(None, verified(0)),
        ),
        Claim(
            "And their identification",
            identified(1),
            "points, same loss",
            TWO_DIGITS,
            Trained(points_only),
            ceiling=Seen(None, identified(0)),
        ),
        Claim(
            "Hedging does not cost accuracy on clean images",
            identified(0),
            "points, same loss",
            TWO_DIGITS,
            Trained(points_only),
            ceiling=1.0,
            margin=0.02,
        ),
        Claim(
            "Ambiguous images are less certain",
            uncertainty(1),
            "the uncertainty of clean images",
            TWO_DIGITS,
            Seen(None, uncertainty(0)),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "Who is certain is right more often, and says so better than distances do",
            foresight,
            "points, certain where the nearest is near",
            TWO_DIGITS,
            Seen(Trained(points_only), foresight_by_distance),
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(uncertainty_spread, off=Trained(points_only)),
    setup="Two scikit-learn digits side by side stand in for the authors' two-digit MNIST, and a perceptron, which "
    "knows places, for their small convolutional network. Four dimensions, 8 draws, one Gaussian an image (in the "
    "paper mixtures of two are about as good). The bottleneck has a weight of 1e-2: at the authors' 1e-4 variances "
    "fall to 1e-6 in so few steps, whatever the picture, and nothing is hedged. Positives and negatives of each "
    "image count alike, as in their balanced pairs. Scale, bias and variance begin where the means' distances do. "
    "Five neighbours by the probability of a match, among clean training images; at the ceiling test images are clean, "
    "too. Not to cost is a margin of 0.02.",
)(hib)
