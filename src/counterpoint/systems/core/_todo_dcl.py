"""DCL: the positive leaves the denominator, so that easy positives no longer weaken the gradient of small batches."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.objectives import Decoupled, InfoNCE
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import versus
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system

_BATCH = 32


def _small() -> Recipe:
    return dcl().varied("DCL", train=replace(training(), batch_size=_BATCH))


def _small_simclr() -> Recipe:
    return _small().varied("SimCLR", objective=lambda: InfoNCE(0.1, layout="views"))


@system(
    "DCL",
    title="Decoupled Contrastive Learning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_dcl.py::test_loss_is_that_of_a_naive_loop_without_the_positive_in_the_denominator",
    run=run_on_images,
    claims=(
        Claim(
            "Without the positive in the denominator small batches learn more",
            "probe accuracy",
            f"SimCLR at the same batch of {_BATCH} and temperature",
        ),
    ),
    measure=versus(_small, _small_simclr),
    setup=SETUP + f" Here batches of {_BATCH}, both at temperature 0.1. The weighted form (DCLW) is not included.",
)
def dcl() -> Recipe:
    """Yeh et al. 2022, equation 6: SimCLR with temperature 0.1 and the positive out of the denominator."""
    return simclr().varied("DCL", objective=lambda: Decoupled(0.1))
