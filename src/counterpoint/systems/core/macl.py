"""MACL: the temperature rises with the alignment, and easy rows get their gradient back."""

from __future__ import annotations

from functools import partial

from counterpoint.methods import Recipe
from counterpoint.objectives import MACL
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, TUNED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.contrast import last_temperature
from counterpoint.testbeds.figures import probe_accuracy

_START, _END = 0.1, 0.13
"""Where the temperature begins, and where it is at the end of training on CIFAR-10 (mean cosine of positives: 0.6)."""
FIXED = Trained(partial(simclr, _START))


def macl(temperature: float = _START) -> Recipe:
    """Huang et al. 2023: initial temperature 0.1, alpha 0.5, threshold 0 (their SimCLR runs)."""
    return simclr().varied("MACL", objective=lambda: MACL(temperature, alpha=0.5))


def temperature_alone() -> Recipe:
    """Equation 7 without the weights of equation 12."""
    return simclr().varied("MACL, temperature alone", objective=lambda: MACL(_START, alpha=0.5, reweight=False))


def weights_alone() -> Recipe:
    """Equation 12 at the initial temperature."""
    return simclr().varied("MACL, weights alone", objective=lambda: MACL(_START, alpha=0.0))


system(
    "MACL",
    title="Model-Aware Contrastive Learning: Towards Escaping the Dilemmas",
    year=2022,
    family="core",
    mechanism="tests/systems/test_macl.py::test_loss_is_that_of_a_naive_loop_over_views",
    variants={"MACL, temperature alone": temperature_alone, "MACL, weights alone": weights_alone},
    claims=(
        Claim(
            "An alignment-aware temperature with reweighting is better than a fixed one",
            probe_accuracy(),
            "SimCLR, its temperature chosen as well",
            SELF_SUPERVISED,
            TUNED,
            system=Tuned(macl, TEMPERATURES),
        ),
        Claim(
            "It is better than the temperature that it begins with",
            probe_accuracy(),
            f"SimCLR at {_START}",
            SELF_SUPERVISED,
            FIXED,
        ),
        Claim(
            "It is better than the temperature that it ends with",
            probe_accuracy(),
            f"SimCLR at {_END}",
            SELF_SUPERVISED,
            Trained(partial(simclr, _END)),
        ),
        Claim(
            "The alignment-aware temperature alone is better than a fixed one",
            probe_accuracy(),
            f"SimCLR at {_START}",
            SELF_SUPERVISED,
            FIXED,
            system=Trained(temperature_alone),
        ),
        Claim(
            "Reweighting alone is better than none",
            probe_accuracy(),
            f"SimCLR at {_START}",
            SELF_SUPERVISED,
            FIXED,
            system=Trained(weights_alone),
        ),
    ),
    signal=Signal(last_temperature, off=Trained(weights_alone)),
    setup="The paper's alpha and threshold, 0.5 and 0. The authors' first code has alpha 1 and compares a view with "
    "the other views only, their later one leaves all of it to the caller; here all others are negatives as in "
    "SimCLR. AdamW stands in for LARS, GroupNorm for the encoder's BatchNorm; batches of 256, of "
    "which the paper has one, too.",
)(macl)
