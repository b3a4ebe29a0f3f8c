"""SepCLR: what target images share with background images in one space, what only they have in another."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.geometry import Dot, Euclidean
from counterpoint.heads import Halves, Unit, projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import Alignment, KernelEntropy, Objective, Part, Shrink, SupCon, Uniformity
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.overlaid import (
    OVER_CIFAR,
    OVER_STRIPES,
    joint_entropy,
    mixed_up,
    salient,
    told,
    two_networks,
)

SPACE, HIDDEN = 32, 128
SALIENT, NOTHING, INDEPENDENT = 1000.0, 1000.0, 10.0
"""Weights of the authors' code for digits over CIFAR-10."""


def projector(width: int) -> nn.Module:
    """Theirs: one hidden layer of 128 with BatchNorm."""
    return projection(width, hidden=(HIDDEN,), out=SPACE, norm=nn.BatchNorm1d)


def spaces(width: int) -> nn.Module:
    """A projector for each of two encoders side by side, the common one's output on the sphere."""
    return Halves(nn.Sequential(projector(width // 2), Unit()), projector(width // 2))


def shown(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Numbers the targets (column `shown`); backgrounds have none, so that they attract nothing."""
    del encoder, seed
    number = torch.where(data.columns["target"] != 0, torch.arange(len(data)), -1)
    return replace(data, columns={**data.columns, "shown": number})


def separated(*, independent: bool) -> Objective:
    """Alignment and uniformity of each space, no salience in backgrounds, and minus the joint entropy of both."""
    shared = Part(Alignment() + 2 * Uniformity(1.0), 0, SPACE)
    attract = Part(Alignment(geometry=Dot(), relation=Relation(same("shown"))), SPACE)
    spread = Part(Uniformity(1.0, geometry=Euclidean(squared=True)), SPACE, silent="target")
    loss = shared + SALIENT * (attract + 2 * spread) + NOTHING * Part(Shrink("target"), SPACE)
    return loss + INDEPENDENT * Part(KernelEntropy(), silent="target", silent_from=SPACE) if independent else loss


def sepclr() -> Recipe:
    """Louiset et al. 2024: alignment and uniformity in both spaces, and k-JEM, equation 8, between them."""
    return simclr().varied(
        "SepCLR",
        takes=Takes("image", columns=("target",)),
        start=two_networks,
        objective=lambda: separated(independent=True),
        head=spaces,
        prepare=(shown,),
    )


def without_entropy() -> Recipe:
    """Nothing keeps the spaces from saying the same."""
    return sepclr().varied("SepCLR without k-JEM", objective=lambda: separated(independent=False))


def spread_evenly() -> Objective:
    """Alignment and uniformity."""
    return Alignment() + 2 * Uniformity(1.0)


def both_labels() -> Objective:
    """SupCon in each space, by the attribute that it should tell."""
    return Part(SupCon(), 0, SPACE) + Part(SupCon(relation=Relation(same("digit"))), SPACE)


def one_space() -> Recipe:
    """Alignment and uniformity of both networks together."""
    return simclr().varied("one space", start=two_networks, objective=spread_evenly, head=projector)


def oracle() -> Recipe:
    """Supervised contrast in both spaces, each with the labels it should tell."""
    return sepclr().varied("both labels known", objective=both_labels)


system(
    "SepCLR",
    title="Separating common from salient patterns with Contrastive Representation Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_sepclr.py::test_loss_is_that_of_a_naive_loop_over_both_spaces",
    variants={"SepCLR without k-JEM": without_entropy},
    sample=OVER_STRIPES,
    claims=(
        Claim(
            "Common and salient attributes are separated: each space tells its own and not the other",
            mixed_up,
            "alignment and uniformity in one space",
            OVER_CIFAR,
            Trained(one_space),
            off=Trained(without_entropy),
            ceiling=Trained(oracle),
            floors=(),
            better="lower",
        ),
        Claim(
            "The joint entropy separates them further",
            mixed_up,
            "the same without joint entropy",
            OVER_CIFAR,
            Trained(without_entropy),
            ceiling=Trained(oracle),
            floors=(),
            better="lower",
        ),
        Claim(
            "The salient space tells what only targets have, better than one space",
            told("digit", salient),
            "alignment and uniformity in one space",
            OVER_CIFAR,
            Trained(one_space),
            ceiling=Trained(oracle),
        ),
        Claim(
            "It tells less of what backgrounds have, too",
            told("label", salient),
            "alignment and uniformity in one space",
            OVER_CIFAR,
            Trained(one_space),
            ceiling=0.1,
            floors=(),
            better="lower",
        ),
        Claim(
            "The joint entropy keeps the background out of it",
            told("label", salient),
            "the same without joint entropy",
            OVER_CIFAR,
            Trained(without_entropy),
            ceiling=0.1,
            floors=(),
            better="lower",
        ),
    ),
    signal=Signal(joint_entropy, off=Trained(without_entropy)),
    setup="Digits lie over CIFAR-10 in half of the pictures, the targets, as in the paper, where they are "
    "MNIST's and the pictures ten times as many. Two encoders, each with the authors' projector, their weights "
    "(1,000 for the salient terms and for its silence in backgrounds, 10 for the joint entropy), 32 dimensions "
    "and SimCLR's views; the salient space of backgrounds is taken for 0 where it is spread and where the joint "
    "entropy is, and alignment counts targets only. Probes see each encoder's representation, of targets only, "
    "for both attributes; the paper's other baselines are variational auto-encoders. At the ceiling each space "
    "is trained with its labels.",
)(sepclr)
