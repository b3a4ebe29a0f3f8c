"""W-MSE: whitened vectors cannot collapse, so positives alone are enough."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import WMSE, Alignment
from counterpoint.systems.core._pictures import SELF_SUPERVISED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import DIGITS, Richer, Trained
from counterpoint.testbeds.figures import deviation, probe_accuracy
from counterpoint.testbeds.siamese import budget

_HIDDEN, _OUT, _SLICE, _MARGIN = 1024, 64, 128, 0.01


def head(width: int) -> nn.Module:
    """The authors', for all that they compare: one hidden layer with BatchNorm over all views."""
    return projection(width, hidden=(_HIDDEN,), out=_OUT, norm=nn.BatchNorm1d)


def w_mse() -> Recipe:
    """Ermolov et al. 2021 on CIFAR-10: two positives, slices of twice the dimensions, divided once a step."""
    return simclr().varied("W-MSE", objective=lambda: WMSE(_SLICE), head=head)


def four_views() -> Recipe:
    """W-MSE 4: four positives, the distance of every pair of views."""
    return w_mse().varied("W-MSE 4", views=4)


def not_white() -> Recipe:
    """The same distance of positives, scaled to length one and not whitened."""
    return w_mse().varied("Alignment only", objective=Alignment)


def contrastive() -> Recipe:
    """The authors' baseline: the same head under SimCLR's loss, temperature 0.5."""
    return simclr().varied("SimCLR, same head", head=head)


system(
    "W-MSE",
    title="Whitening for Self-Supervised Representation Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_w_mse.py::test_loss_is_that_of_whitening_by_eigenvectors",
    claims=(
        Claim(
            "Whitening keeps the vectors apart without negatives",
            deviation,
            "the same distance without whitening",
            DIGITS,
            Trained(not_white),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "The representation is as good as a contrastive one, within a point",
            probe_accuracy(),
            "SimCLR with the same head",
            SELF_SUPERVISED,
            Trained(contrastive),
            off=Trained(not_white),
            margin=_MARGIN,
        ),
        Claim(
            "Four positives are better than two",
            probe_accuracy(),
            "W-MSE with two, as many epochs",
            budget(SELF_SUPERVISED, 0.5),
            Trained(w_mse),
            system=Richer(Trained(four_views), SELF_SUPERVISED),
        ),
    ),
    signal=Signal(deviation, off=Trained(not_white)),
    variants={"W-MSE 4": four_views},
    setup=f"The authors' head, slices and settings for CIFAR-10: {_HIDDEN:,} hidden units with BatchNorm, {_OUT} "
    f"dimensions, slices of {_SLICE} points divided once a step; batches are of 256 pictures (512 there with two "
    "positives). On a par with contrast is tested with a margin of one point. Four positives take as many epochs as "
    "two, as there, and so encode twice as many views. A standard deviation of 1 is that of vectors spread evenly.",
)(w_mse)
