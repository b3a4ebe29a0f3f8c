"""Bounds on mutual information as objectives: encoder and critic decide what is learned, not how tight the bound is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import nn

from counterpoint.critics import Concatenated, Separable, bilinear
from counterpoint.data.items import Data
from counterpoint.encoders.halves import HalfPicture
from counterpoint.encoders.towers import Towers
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import NWJ, InfoNCE, Objective
from counterpoint.systems.core._classes import of_classes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.halves import BATCH, HALVES, SMALL, information
from counterpoint.training import TrainConfig

_WIDTH = HalfPicture().dim
_TRAIN = TrainConfig(steps=400, batch_size=BATCH, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1)


def with_another(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Each picture is paired with one drawn at random, of which the other tower sees the other half."""
    del encoder
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return replace(data, others=data.anchors, positives=data.anchor[order][:, None], columns={})


def of_halves(name: str, kind: Literal["invertible", "perceptron"], objective: Callable[[], Objective]) -> Recipe:
    """An encoder of lower halves and another of upper halves, which are each other's positives."""

    def start(data: Data, seed: int) -> Towers:
        del data, seed
        return Towers(HalfPicture(top=False, kind=kind), HalfPicture(top=True, kind=kind))

    return Recipe(name, (Stage(objective, _TRAIN),), Takes("image"), start, similarity="dot", own_start=True)


def inner_product() -> Recipe:
    """A critic that learns nothing: `q . k`."""
    return of_halves("inner product", "perceptron", lambda: InfoNCE(1.0, geometry=Dot()))


def bilinear_critic() -> Recipe:
    """A matrix: `q W k`."""
    return of_halves("bilinear critic", "perceptron", lambda: InfoNCE(1.0, geometry=bilinear(_WIDTH)))


def separable_critic() -> Recipe:
    """A perceptron on either side: `a(q) . b(k)`."""

    def critic() -> Separable:
        return Separable(*(projection(_WIDTH, hidden=(100,), out=100) for _ in range(2)))

    return of_halves("separable critic", "perceptron", lambda: InfoNCE(1.0, geometry=critic()))


def joint_critic() -> Recipe:
    """A perceptron on both: `a([q, k])`."""

    def critic() -> Concatenated:
        return Concatenated(projection(2 * _WIDTH, hidden=(200,), out=1))

    return of_halves("joint critic", "perceptron", lambda: InfoNCE(1.0, geometry=critic()))


def invertible() -> Recipe:
    """Encoders that lose nothing, a bilinear critic."""
    return of_halves("invertible", "invertible", lambda: InfoNCE(1.0, geometry=bilinear(_WIDTH)))


def unpaired() -> Recipe:
    """The same of halves of different pictures, which say nothing of each other."""
    return invertible().varied("halves of different pictures", prepare=(with_another,))


def nwj() -> Recipe:
    """The other bound, with the same critic."""
    return invertible().varied("On MI Maximization (NWJ)", objective=lambda: NWJ(geometry=bilinear(_WIDTH)))


def supervised() -> Recipe:
    """Cross-entropy of the classes by upper halves: what they say."""
    return of_classes(invertible(), "supervised", 10, views=1, start=_upper)


def _upper(data: Data, seed: int) -> HalfPicture:
    del data, seed
    return HalfPicture(kind="perceptron", hidden=512)


_LESS = Claim(
    "A critic of less capacity gives the better representation",
    probe_accuracy(),
    "a joint critic",
    HALVES,
    Trained(joint_critic),
    system=Trained(bilinear_critic),
    ceiling=Trained(supervised),
    floors=(),  # the method's start is the pixels, and a perceptron's is not
)


@system(
    "On MI Maximization",
    title="On Mutual Information Maximization for Representation Learning",
    year=2019,
    family="core",
    mechanism="tests/systems/test_mutual_information.py::test_the_encoder_loses_nothing_and_the_probe_still_changes",
    sample=SMALL,
    variants={"On MI Maximization (NWJ)": nwj},
    claims=(
        Claim(
            "Maximising a bound on mutual information improves an invertible encoder, which keeps it constant",
            probe_accuracy(),
            "the start, the pixels themselves",
            HALVES,
            Untrained(invertible),
            off=Trained(unpaired),
            ceiling=Trained(supervised),
            floors=(),  # the baseline is the floor
        ),
        _LESS,
        replace(_LESS, text=f"{_LESS.text}: separable", system=Trained(separable_critic)),
        replace(_LESS, text=f"{_LESS.text}: inner product", system=Trained(inner_product)),
        Claim(
            "A critic of more capacity gives the tighter bound",
            information,
            "bilinear critic",
            HALVES,
            Trained(bilinear_critic),
            system=Trained(joint_critic),
            floors=(),  # a start knows nothing
        ),
    ),
    signal=Signal(information, off=Trained(unpaired)),
    setup="CIFAR-10's upper and lower halves stand for MNIST's, whose pixels leave a probe little to gain. Critics: "
    "the inner product, a matrix, one hidden layer of 100 on either side, one of 200 on both; encoders have one hidden "
    "layer of 128, or 8 coupling layers. Four critics are compared after 2,000 steps, 16 passes over the pictures; "
    "estimates are means over test batches as large as in training. Probes are for the class by the upper half.",
)
def mutual_information() -> Recipe:
    """Tschannen et al. 2020, section 3: InfoNCE between halves of an image, invertible encoders, bilinear critic."""
    return invertible().varied("On MI Maximization")
