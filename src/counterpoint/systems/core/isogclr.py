"""iSogCLR: every sample has its own temperature, found by a robust loss."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from counterpoint.methods import Recipe
from counterpoint.objectives import IndividualTemperature
from counterpoint.systems.core._pictures import LONG_TAIL, TEMPERATURES, TRAIN, plain_head, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.contrast import spread_of_temperatures, warmth_of_frequent
from counterpoint.testbeds.figures import knn_accuracy, probe_accuracy

_IMAGES, _RHO = 60_000, 0.4
RHOS = (0.2, 0.4, 0.6)
"""Around that of the authors' command, as many as there are temperatures for SimCLR."""


def plain_simclr(temperature: float = 0.1) -> Recipe:
    """The baseline: SimCLR with this head and batch."""
    train = replace(TRAIN, batch_size=128)
    return simclr(temperature).varied("SimCLR, plain head", head=plain_head, train=train)


def _own(rho: float, rate: float) -> IndividualTemperature:
    return IndividualTemperature(
        _IMAGES, temperature=0.1, minimum=0.05, maximum=1.0, clip=3.0, rho=rho, gamma=0.8, rate=rate, momentum=0.5
    )


def isogclr(rho: float = _RHO) -> Recipe:
    """Qiu et al. 2023, algorithm 1, with the constants of the authors' command for CIFAR-100."""
    return plain_simclr().varied("iSogCLR", objective=lambda: _own(rho, 0.03))


def one_temperature() -> Recipe:
    """The same whose temperatures stay where they begin, at 0.1: SogCLR, the method that it comes from."""
    return plain_simclr().varied("SogCLR", objective=lambda: _own(_RHO, 0.0))


system(
    "iSogCLR",
    title="Not All Semantics are Created Equal: Contrastive Self-supervised Learning with Automatic Temperature "
    "Individualization",
    year=2023,
    family="core",
    mechanism="tests/systems/test_isogclr.py::test_loss_and_gradient_are_algorithm_1_s_from_the_state_that_is_kept",
    claims=(
        Claim(
            "On imbalanced data temperatures of their own are better than one",
            probe_accuracy(),
            "SimCLR, its temperature chosen",
            LONG_TAIL,
            Tuned(plain_simclr, TEMPERATURES),
            system=Tuned(isogclr, RHOS),
        ),
        Claim(
            "So are the neighbours",
            knn_accuracy(),
            "SimCLR, its temperature chosen",
            LONG_TAIL,
            Tuned(plain_simclr, TEMPERATURES),
            system=Tuned(isogclr, RHOS),
        ),
        Claim(
            "It is the temperatures that improve it",
            probe_accuracy(),
            "the same with one temperature (SogCLR)",
            LONG_TAIL,
            Trained(one_temperature),
            system=Trained(partial(isogclr, _RHO)),
        ),
        Claim(
            "Samples of frequent classes get higher temperatures",
            warmth_of_frequent,
            "temperatures that stay",
            LONG_TAIL,
            Trained(one_temperature),
            system=Trained(partial(isogclr, _RHO)),
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(spread_of_temperatures, off=Trained(one_temperature), system=Trained(partial(isogclr, _RHO))),
    setup="The authors' constants: temperatures from 0.1, within 0.05 and 1, their gradient within 3, gamma 0.8, "
    "momentum share 0.5, rate 0.03, rho 0.4, or one of three where SimCLR's temperature is; batches of 128 and a head "
    "without BatchNorm on both sides. The moving average is of exp((s_ij - s_ii) / tau) as in the paper; the code "
    "subtracts the positive outside. 30 epochs in place of 400, so that a temperature moves 30 times. AdamW stands in "
    "for SGD, GroupNorm for the encoder's BatchNorm.",
)(isogclr)
