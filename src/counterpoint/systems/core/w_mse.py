"""W-MSE: whitened vectors cannot collapse, so positives alone are enough."""

from __future__ import annotations

from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import WMSE, Alignment
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, probe_accuracy, spread
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def not_white() -> Recipe:
    """The same distance of positives, of vectors as they are."""
    return w_mse().varied("Alignment only", objective=lambda: Alignment(geometry=Dot()))


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
            "effective rank of the projection",
            "the same distance without whitening",
        ),
        Claim("The representation is better than a contrastive one", "probe accuracy", "SimCLR"),
    ),
    measure=claims((spread, lambda: w_mse(), not_white), (probe_accuracy, lambda: w_mse(), simclr)),
    setup=SETUP + " The projection has 32 dimensions, slices have 128 points.",
)
def w_mse() -> Recipe:
    """Ermolov et al. 2021: two positives, slices of 128, four random divisions, a projection of 32 dimensions."""
    return simclr().varied(
        "W-MSE",
        objective=lambda: WMSE(128, repeats=4),
        head=lambda width: projection(width, hidden=(width,), out=32),
    )
