"""SwAV: each view predicts which cluster the other was put into."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import SwAV
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system

_WIDTH, _FROZEN = 64, 3


def two_views() -> Recipe:
    """Without multi-crop."""
    return simclr().varied(
        "SwAV, two views",
        objective=lambda: SwAV(_WIDTH, 50, frozen=_FROZEN),
        head=lambda width: projection(width, hidden=(width,), out=_WIDTH, norm=nn.BatchNorm1d),
    )


@system(
    "SwAV",
    title="Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
    year=2020,
    family="core",
    mechanism="tests/systems/test_swav.py::test_loss_is_the_swapped_prediction_of_sinkhorn_codes",
    run=run_on_images,
    claims=(
        Claim("Swapped assignments are better than contrasting instances", "probe accuracy", "SimCLR"),
        Claim("More crops are better", "probe accuracy", "SwAV with two views"),
    ),
    measure=claims((probe_accuracy, two_views, simclr), (probe_accuracy, lambda: swav(), two_views)),
    setup=SETUP
    + f" 50 prototypes, which do not learn in the first epoch ({_FROZEN} steps); the authors' head, one hidden layer "
    "with BatchNorm over all views. Six views: digits of 8 x 8 pixels leave no room for a smaller resolution, so all "
    "have the same size; assignments come from two. No queue.",
)
def swav() -> Recipe:
    """Caron et al. 2020: temperature 0.1, epsilon 0.05, three iterations; two views give codes, four more predict."""
    return two_views().varied("SwAV", views=6, train=training(6))
