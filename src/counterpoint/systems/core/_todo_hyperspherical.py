"""Hyperspherical embedding: a softmax over cosines, and novel classes by their mean on the sphere."""

from __future__ import annotations

import torch.nn.functional as F

from counterpoint.geometry import Euclidean
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Pairs, Proxies, Triplet
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import run_on_images
from counterpoint.systems.core._labelled import (
    CLASSES,
    SETUP,
    WIDTH,
    at_most,
    base,
    joint_accuracy,
    novel,
    novel_accuracy,
)
from counterpoint.systems.core._versus import claims
from counterpoint.systems.registry import Claim, system


def triplet() -> Recipe:
    """FaceNet's loss with semi-hard negatives, on the sphere."""
    return base().varied(
        "triplet",
        objective=lambda: Triplet(
            0.2,
            mining="semi-hard",
            layout="views",
            geometry=Euclidean(squared=True, normalized=True),
            relation=Relation(same("label")),
        ),
    )


def contrastive() -> Recipe:
    """Hadsell et al. 2006: same classes together, others at a distance of 1 or more."""
    return base().varied(
        "contrastive",
        objective=lambda: Pairs(
            0.0,
            -1.0,
            shape=lambda v: F.relu(v).square(),
            layout="views",
            geometry=Euclidean(normalized=True),
            relation=Relation(same("label")),
        ),
    )


@system(
    "Hyperspherical embedding",
    title="Hyperspherical embedding for novel class classification",
    year=2021,
    family="core",
    mechanism="tests/systems/test_hyperspherical.py::test_loss_is_cross_entropy_of_scaled_cosines",
    run=run_on_images,
    claims=(
        Claim(
            "A softmax over cosines classifies novel classes better than a triplet loss",
            "accuracy of the nearest class mean among five novel classes",
            "triplet loss (semi-hard), same encoder, views and steps",
        ),
        Claim(
            "And better than a contrastive loss",
            "accuracy of the nearest class mean among five novel classes",
            "contrastive loss, same encoder, views and steps",
        ),
        Claim(
            "Novel classes among known ones are classified better, too",
            "accuracy of the nearest class mean among all ten classes",
            "triplet loss (semi-hard), same encoder, views and steps",
        ),
    ),
    measure=claims(
        (novel_accuracy, lambda: hyperspherical(), triplet),
        (novel_accuracy, lambda: hyperspherical(), contrastive),
        (joint_accuracy, lambda: hyperspherical(), triplet),
        data=novel,
    ),
    setup=SETUP
    + " Training sees half of the images of five classes, another five for each seed. Means of novel classes are of "
    "half of their images, those of known classes of the training images; the others are classified. Ten class "
    "vectors, of which five are never a positive.",
)
def hyperspherical() -> Recipe:
    """Pereira et al. 2021: normalised features and class vectors, their cosines over a temperature of 0.1."""
    return base().varied(
        "Hyperspherical embedding",
        prepare=(at_most(CLASSES),),
        own_start=True,
        objective=lambda: Proxies(InfoNCE(0.1), CLASSES, WIDTH),
    )
