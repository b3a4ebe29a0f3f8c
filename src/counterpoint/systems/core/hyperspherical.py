"""Hyperspherical embedding: a softmax over cosines, and novel classes by their mean on the sphere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from counterpoint.geometry import Dot, Euclidean
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Pairs, Triplet
from counterpoint.procedures import ClassVectors
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.core._supervised import at_most, labelled
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.figures import deviation
from counterpoint.testbeds.labelled import ALL_CHARACTERS, CHARACTERS, NOVEL_DIGITS, joint, novel

_MOST = 1000
_CLASS = Relation(same("label"))


def hyperspherical(temperature: float = 0.1) -> Recipe:
    """Pereira et al. 2021: normalised features and class vectors, their cosines times a scale of 10, no bias."""
    return simclr().varied(
        "Hyperspherical embedding",
        takes=labelled(),
        head=None,
        prepare=(at_most(_MOST),),
        procedure=lambda width: ClassVectors(_MOST, width),
        objective=lambda: InfoNCE(temperature, relation=_CLASS),
    )


def plain_softmax() -> Recipe:
    """Off the sphere: inner products of features and class vectors as they are."""
    return hyperspherical().varied("plain softmax", objective=lambda: InfoNCE(1.0, geometry=Dot(), relation=_CLASS))


def triplet(margin: float = 0.2) -> Recipe:
    """FaceNet's loss with semi-hard negatives, on the sphere."""
    return simclr().varied(
        "triplet",
        takes=labelled(),
        head=None,
        objective=lambda: Triplet(
            margin,
            mining="semi-hard",
            layout="views",
            geometry=Euclidean(squared=True, normalized=True),
            relation=_CLASS,
        ),
    )


def contrastive(margin: float = 1.0) -> Recipe:
    """Hadsell et al. 2006: same classes together, others at a distance of the margin or more, on the sphere."""
    return triplet().varied(
        "contrastive",
        objective=lambda: Pairs(
            0.0, -margin, shape=_square, layout="views", geometry=Euclidean(normalized=True), relation=_CLASS
        ),
    )


def _square(violation: Tensor) -> Tensor:
    return torch.square(F.relu(violation))


_OURS = Tuned(hyperspherical, (0.05, 0.1, 0.2))
_TRIPLET = Tuned(triplet, (0.1, 0.2, 0.5))
_CEILING = Richer(Trained(hyperspherical), ALL_CHARACTERS)
system(
    "Hyperspherical embedding",
    title="Hyperspherical embedding for novel class classification",
    year=2021,
    family="core",
    mechanism="tests/systems/test_hyperspherical.py::test_loss_is_cross_entropy_of_scaled_cosines",
    sample=NOVEL_DIGITS,
    claims=(
        Claim(
            "A softmax over cosines classifies novel classes better than a triplet loss",
            novel,
            "triplet loss (semi-hard), a margin chosen for it and a temperature for the system",
            CHARACTERS,
            _TRIPLET,
            system=_OURS,
            off=Trained(plain_softmax),
            ceiling=_CEILING,
        ),
        Claim(
            "And better than a contrastive loss",
            novel,
            "contrastive loss, a margin chosen for it and a temperature for the system",
            CHARACTERS,
            Tuned(contrastive, (0.5, 1.0, 1.4)),
            system=_OURS,
            ceiling=_CEILING,
        ),
        Claim(
            "Novel classes among known ones are classified better, too",
            joint,
            "triplet loss (semi-hard), a margin chosen for it and a temperature for the system",
            CHARACTERS,
            _TRIPLET,
            system=_OURS,
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(deviation, off=Trained(plain_softmax)),
    setup="A class vector for each class that training sees; a new class is the mean, of length one, of five "
    "pictures that are given. Among known and new classes together the vectors stand for the known ones, as "
    "in the first author's package; a triplet loss has none, and means of the training pictures stand in. "
    "The ceiling is trained on other drawers' pictures of the new characters, too. Settings are chosen by "
    "the accuracy among known classes.",
)(hyperspherical)
