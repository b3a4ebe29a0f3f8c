"""What systems that learn from labels share: a classifier trained with the encoder, SupCon, where they are measured."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Prepare, Recipe, Takes
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.procedures import AgainstClasses
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import simclr
from counterpoint.testbeds import CIFAR, MORE_CIFAR, RARER_CIFAR, Richer, Trained, Tuned, beds

CLASSES = 10
"""Of digits and of CIFAR-10."""
RATES = (5e-4, 2e-3, 8e-3)
"""What a learning rate is chosen from where the losses' gradients are of different size."""


def labelled(*columns: str) -> Takes:
    """Pictures with labels, and whatever else must be known of them."""
    return Takes("image", schemas=("labelled",), columns=columns)


def at_most(classes: int) -> Prepare:
    """Refuses data of more classes than a system has.

    Raises:
        InputError: Of the step: there are more.
    """

    def check(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        found = 1 + int(data.columns["label"].max())
        if found > classes:
            raise InputError(f"{found} classes, and the system has {classes}", fix="give pictures of fewer classes")
        return data

    return check


def rated(recipe: Recipe, rate: float) -> Recipe:
    """The same at another learning rate."""
    return recipe.changed(learning_rate=rate)


def cross_entropy(rate: float = 1e-3, classes: int = CLASSES) -> Recipe:
    """The usual baseline: a linear classifier on the encoder, trained with it on the same views.

    It is judged by its own classifier (`counterpoint.testbeds.labelled.its_classifier`) where the paper judges it so.
    """
    return rated(simclr(), rate).varied(
        "cross-entropy",
        takes=labelled(),
        objective=lambda: InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label"))),
        head=lambda width: projection(width, out=classes),
        procedure=lambda _width: AgainstClasses(classes),
        prepare=(at_most(classes),),
    )


def supcon_head(width: int) -> nn.Module:
    """Theirs: one hidden layer as wide as the representation, 128 dimensions, no BatchNorm."""
    return projection(width, hidden=(width,), out=128)


def supcon(rate: float = 1e-3) -> Recipe:
    """Khosla et al. 2020: equation 2 over both views of the batch, temperature 0.1."""
    return rated(simclr(), rate).varied("SupCon", takes=labelled(), objective=lambda: SupCon(0.1), head=supcon_head)


def supcon_with_more() -> Recipe:
    """SupCon, where it has more data and steps."""
    return supcon().varied("SupCon with more")


SUPERVISED = replace(CIFAR, ceiling=Richer(Trained(supcon_with_more), MORE_CIFAR))
"""CIFAR-10; its ceiling is SupCon with twice the pictures and four times the steps."""
OWN_RATE = replace(
    SUPERVISED, name="CIFAR-10, own rates", about=CIFAR.about + " or at the method's own rate", settings=beds.OWN_RATE
)
"""The same, where each method has a learning rate of its own."""
LONG_TAIL_OWN_RATE = replace(
    RARER_CIFAR,
    name="CIFAR-10, long tail, own rates",
    about=RARER_CIFAR.about + " or at the method's own rate",
    settings=beds.OWN_RATE,
    ceiling=Richer(Trained(supcon_with_more), MORE_CIFAR),
)
"""Classes that grow rarer, where each method has a learning rate of its own."""
TUNED_CROSS_ENTROPY = Tuned(cross_entropy, RATES)
"""Cross-entropy at the best of three learning rates."""
TUNED_SUPCON = Tuned(supcon, RATES)
"""SupCon likewise."""
