"""What temperature does: the lower, the more the hardest negatives count, the more uniform and the less tolerant."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, hardest
from counterpoint.systems.core._pictures import SELF_SUPERVISED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import CIFAR, Trained
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.spread import EVEN, projected_tolerance, projected_uniformity

_LOW, _BETWEEN, _HIGH = 0.07, 0.3, 1.0
_SIMPLE = 100.0
"""As temperature rises the gradient becomes that of the simple loss (section 3.2), but for its scale, which AdamW
takes out."""
_HARDEST = 0.0819
"""Of CIFAR-10: 4,095 of 50,000."""


def embedding(width: int) -> nn.Module:
    """A linear layer, whose output is what the loss sees."""
    return projection(width)


def at(temperature: float, share: float = 1.0) -> Recipe:
    """The contrastive loss at a temperature; below 1 a share of the negatives stays, the hardest (equation 8)."""
    hard = hardest(share) if share < 1 else None
    return simclr().varied(
        f"temperature {temperature}" + (f", hardest {share:.0%}" if hard else ""),
        objective=lambda: InfoNCE(temperature, layout="views", reweight=hard),
        head=embedding,
    )


def low() -> Recipe:
    """Only the hardest negatives count."""
    return at(_LOW)


def high() -> Recipe:
    """All negatives count."""
    return at(_HIGH)


def high_hard() -> Recipe:
    """The hard contrastive loss at a temperature that does not look for hard negatives itself."""
    return at(_HIGH, _HARDEST)


def simple() -> Recipe:
    """The simple loss, `-s_ii + mean s_ij`: all negatives count alike."""
    return at(_SIMPLE)


def simple_hard() -> Recipe:
    """The simple loss of the hardest negatives."""
    return at(_SIMPLE, _HARDEST)


@system(
    "Temperature analysis",
    title="Understanding the Behaviour of Contrastive Loss",
    year=2021,
    family="core",
    mechanism="tests/systems/test_temperature.py::test_gradient_is_shared_among_negatives_by_their_hardness",
    variants={"Temperature analysis (hard)": high_hard, "Temperature analysis (hard simple)": simple_hard},
    claims=(
        Claim(
            "A low temperature gives a more uniform embedding",
            projected_uniformity,
            f"temperature {_HIGH}",
            CIFAR,
            Trained(high),
            system=Trained(low),
            ceiling=EVEN,
            floors=(),  # that of a start says nothing of what a loss spreads
            better="lower",
        ),
        Claim(
            "A low temperature is less tolerant of the same class",
            projected_tolerance,
            f"temperature {_HIGH}",
            CIFAR,
            Trained(high),
            system=Trained(low),
            ceiling=0.0,
            floors=(),
            better="lower",
        ),
        Claim(
            "A temperature between the extremes is better than a low one",
            probe_accuracy(),
            f"temperature {_LOW}",
            SELF_SUPERVISED,
            Trained(low),
        ),
        Claim(
            "A temperature between the extremes is better than a high one",
            probe_accuracy(),
            f"temperature {_HIGH}",
            SELF_SUPERVISED,
            Trained(high),
        ),
        Claim(
            "The simple loss is good if it keeps nothing but the hardest negatives",
            probe_accuracy(),
            "the simple loss of all negatives",
            SELF_SUPERVISED,
            Trained(simple),
            system=Trained(simple_hard),
        ),
        Claim(
            "Keeping nothing but the hardest negatives makes up for a high temperature",
            probe_accuracy(),
            f"temperature {_HIGH}, all negatives",
            SELF_SUPERVISED,
            Trained(high),
            system=Trained(high_hard),
        ),
    ),
    signal=Signal(projected_uniformity, off=Trained(high)),
    setup="The other views of a batch are the negatives, 510 of each view, where the paper has a memory bank of all "
    "images, of whose negatives its hard losses keep 4,095. The "
    f"embedding is a linear layer without BatchNorm, as in the paper's networks; {_BETWEEN} is the best "
    f"temperature of its table, {_LOW} and {_HIGH} are its extremes. The simple loss is the limit of a high "
    f"temperature, {_SIMPLE:.0f}; hard losses keep {_HARDEST:.1%} of the "
    "negatives, the paper's share on CIFAR-10.",
)
def temperature_analysis() -> Recipe:
    """Wang and Liu 2021: the contrastive loss at a temperature between the extremes, 0.3."""
    return at(_BETWEEN).varied("Temperature analysis")
