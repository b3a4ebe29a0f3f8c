"""ECAML: a metric loss that is kept from fitting its classes by drawing different classes together a little."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.evaluate import clustering
from counterpoint.methods import Recipe
from counterpoint.objectives import EnergyConfusion
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import run_on_images
from counterpoint.systems.core._labelled import KNOWN, SETUP, features, novel
from counterpoint.systems.core._versus import claims
from counterpoint.systems.core.hyperspherical import triplet
from counterpoint.systems.registry import Claim, system


def recall_at_1(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Share of images of novel classes whose nearest other image, by cosine, is of their class."""
    del head
    images = parts[1][parts[1].labels >= KNOWN]
    z = F.normalize(torch.from_numpy(model.encode(images.pixels)), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-torch.inf).argmax(1)
    return float((images.labels[nearest] == images.labels).float().mean())


def clusters(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Normalised mutual information of k-means with the novel classes."""
    del head
    z, names = features(model, parts[1][parts[1].labels >= KNOWN])
    return float(np.mean(clustering(z, names)["nmi"].values))


@system(
    "ECAML",
    title="Energy Confused Adversarial Metric Learning for Zero-Shot Image Retrieval and Clustering",
    year=2019,
    family="core",
    mechanism="tests/systems/test_ecaml.py::test_confusion_is_the_mean_squared_distance_of_different_classes",
    run=run_on_images,
    claims=(
        Claim("Confusion improves the retrieval of novel classes", "recall@1 among five novel classes", "triplet loss"),
        Claim("And their clusters", "NMI of k-means with five novel classes", "triplet loss"),
    ),
    measure=claims((recall_at_1, lambda: ecaml(), triplet), (clusters, lambda: ecaml(), triplet), data=novel),
    setup=SETUP
    + " Training sees half of the images of five classes, another five for each seed; measured on all images of the "
    "five others. The baseline is a triplet loss with semi-hard negatives; the confusion has a weight of 0.1 and is "
    "taken over all pairs of different classes of a batch, which is the expectation of theirs over random pairs.",
)
def ecaml() -> Recipe:
    """Chen and Deng 2019, equation 3, added to a triplet loss."""
    return triplet().varied(
        "ECAML",
        objective=lambda: triplet().stages[0].objective() + 0.1 * EnergyConfusion(relation=Relation(same("label"))),
    )
