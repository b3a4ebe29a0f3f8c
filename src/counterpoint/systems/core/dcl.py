"""DCL: the positive leaves the denominator, so that easy positives no longer weaken the gradient of small batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from counterpoint.methods import Recipe
from counterpoint.objectives import Decoupled, PositiveTilt
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, TRAIN, TUNED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import CIFAR, Trained, Tuned
from counterpoint.testbeds.contrast import coupling, lost
from counterpoint.testbeds.figures import probe_accuracy

_SMALL = 32
_SHORT = replace(CIFAR, name="CIFAR-10, half the epochs", epochs=5)


def dcl(temperature: float = 0.1) -> Recipe:
    """Yeh et al. 2022, equation 6: SimCLR with the positive out of the denominator; 0.1 is theirs."""
    return simclr().varied("DCL", objective=lambda: Decoupled(temperature))


def dclw() -> Recipe:
    """The same with positives weighed by equation 7, sigma 0.5."""
    return simclr().varied("DCLW", objective=lambda: Decoupled(0.1) + PositiveTilt(0.1))


def small_dcl(temperature: float = 0.1) -> Recipe:
    """With few pictures in a batch."""
    return dcl(temperature).varied("DCL, small batch", train=replace(TRAIN, batch_size=_SMALL))


def small_simclr(temperature: float = 0.1) -> Recipe:
    """SimCLR with as few."""
    return simclr(temperature).varied("SimCLR, small batch", train=replace(TRAIN, batch_size=_SMALL))


def cost_of_small_batches(seed: int) -> Mapping[str, float]:
    """Accuracy that batches of 32 lose against batches of 256; without any loss of it the gap would be 0."""
    arms = {"system": (small_dcl, dcl), "baseline": (small_simclr, simclr)}
    found = {
        name: lost(_SHORT, seed, probe_accuracy(), *(Trained(partial(make, 0.1)) for make in pair))
        for name, pair in arms.items()
    }
    return {**found, "ceiling": 0.0}


system(
    "DCL",
    title="Decoupled Contrastive Learning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_dcl.py::test_loss_is_that_of_a_naive_loop_without_the_positive_in_the_denominator",
    variants={"DCLW": dclw},
    claims=(
        Claim(
            "Without the positive in the denominator small batches learn more",
            probe_accuracy(),
            f"SimCLR at the same batch of {_SMALL}",
            SELF_SUPERVISED,
            Tuned(small_simclr, TEMPERATURES),
            system=Tuned(small_dcl, TEMPERATURES),
        ),
        Claim(
            "Batches of 256 learn more, too",
            probe_accuracy(),
            "SimCLR",
            SELF_SUPERVISED,
            TUNED,
            system=Tuned(dcl, TEMPERATURES),
        ),
        Claim(
            "It loses less by small batches",
            "probe accuracy lost from batches of 256 to batches of 32",
            "SimCLR at the same temperature",
            floors=(),
            better="lower",
            check=cost_of_small_batches,
        ),
        Claim(
            "Weighed positives (DCLW) improve it",
            probe_accuracy(),
            "DCL",
            SELF_SUPERVISED,
            Trained(partial(dcl, 0.1)),
            system=Trained(dclw),
        ),
    ),
    signal=Signal(coupling, off=Trained(partial(small_simclr, 0.1)), system=Trained(partial(small_dcl, 0.1))),
    setup="AdamW stands in for SGD and LARS, at one rate for all sizes of a batch; GroupNorm for the encoder's "
    "BatchNorm. Temperatures of both sides are chosen from three. What small batches lose is measured at temperature "
    "0.1 and with half the epochs, since it takes four trainings.",
)(dcl)
