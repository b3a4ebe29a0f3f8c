"""W-MSE: whitened vectors cannot collapse, so positives alone are enough."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import WMSE, Alignment
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, deviation, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system

_HIDDEN, _OUT, _SLICE = 256, 64, 128


def not_white() -> Recipe:
    """The same distance of positives, scaled to length one and not whitened."""
    return w_mse().varied("Alignment only", objective=Alignment)


def contrastive() -> Recipe:
    """The authors' baseline: the same head under SimCLR's loss."""
    return simclr().varied("SimCLR, same head", head=w_mse().stages[0].head)


@system(
    "W-MSE",
    title="Whitening for Self-Supervised Representation Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_w_mse.py::test_loss_is_that_of_whitening_by_eigenvectors",
    run=run_on_images,
    claims=(
        Claim(
            "Whitening keeps the vectors apart without negatives",
            "standard deviation of the projection's unit vectors",
            "the same distance without whitening",
        ),
        Claim("The representation is better than a contrastive one", "probe accuracy", "SimCLR with the same head"),
    ),
    measure=claims((deviation, lambda: w_mse(), not_white), (probe_accuracy, lambda: w_mse(), contrastive)),
    setup=SETUP
    + f" The authors' head: {_HIDDEN} hidden units (1,024 there) with BatchNorm over both views, {_OUT} dimensions; "
    f"slices have {_SLICE} points. The paper says on a par with contrast, which is tested as better. The standard "
    "deviation over test images is the mean over dimensions, times the root of their number: 0 if all vectors are the "
    "same, 1 if they are spread evenly.",
)
def w_mse() -> Recipe:
    """Ermolov et al. 2021 on CIFAR-10: two positives, slices of twice the dimensions, divided once a step."""
    return simclr().varied(
        "W-MSE",
        objective=lambda: WMSE(_SLICE),
        head=lambda width: projection(width, hidden=(_HIDDEN,), out=_OUT, norm=nn.BatchNorm1d),
    )
