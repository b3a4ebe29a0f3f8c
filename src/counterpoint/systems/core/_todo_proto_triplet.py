"""Proto-Triplet and ICNN: few-shot episodes in which classes must keep a margin and their neighbours."""

from __future__ import annotations

import numpy as np
from torch import nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.evaluate import nearest_mean
from counterpoint.geometry import Euclidean
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, NeighbourScore, Objective, Triplet
from counterpoint.procedures import Prototypes
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import run_on_images
from counterpoint.systems.core._labelled import KNOWN, SETUP, base, features, novel
from counterpoint.systems.core._versus import claims
from counterpoint.systems.registry import Claim, system

SHOTS, QUERIES, EPISODES = 5, 15, 100
_CLASSES = Relation(same("label"))


def few_shot(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Accuracy of the nearest mean of a few images of each novel class, over random episodes."""
    del head
    z, names = features(model, parts[1][parts[1].labels >= KNOWN])
    label, draw, right = np.array(names), np.random.default_rng(0), []
    for _ in range(EPISODES):
        rows = np.stack([draw.permutation(np.flatnonzero(label == c))[: SHOTS + QUERIES] for c in np.unique(label)])
        support, queries = rows[:, :SHOTS].ravel(), rows[:, SHOTS:].ravel()
        said = nearest_mean(z[support], label[support].tolist(), z[queries], metric="euclidean")
        right.append((said == label[queries]).mean())
    return float(np.mean(right))


def prototypical() -> Objective:
    """Snell et al. 2017: a softmax over squared distances to the class means."""
    return InfoNCE(1.0, geometry=Euclidean(squared=True), relation=_CLASSES)


def margin() -> Objective:
    """Proto-Triplet: nearer to the class's mean than to the nearest other mean by 0.5."""
    return Triplet(0.5, mining="hard", relation=_CLASSES)


def networks() -> Recipe:
    """The baseline: prototypical networks."""
    return base().varied("Prototypical networks", objective=prototypical, procedure=lambda _width: Prototypes(SHOTS))


def with_triplet() -> Recipe:
    """Without ICNN."""
    return networks().varied("Proto-Triplet", objective=lambda: 0.5 * (prototypical() + margin()))


def with_neighbours() -> Recipe:
    """Without Proto-Triplet."""
    return networks().varied("ICNN", objective=lambda: 0.5 * (prototypical() + NeighbourScore()))


@system(
    "Proto-Triplet + ICNN",
    title="SuSana Distancia is all you need: Enforcing class separability in metric learning via two novel "
    "distance-based loss functions for few-shot image classification",
    year=2023,
    family="core",
    mechanism="tests/systems/test_proto_triplet.py::test_losses_are_those_of_naive_loops",
    variants={"Proto-Triplet": with_triplet, "ICNN": with_neighbours},
    run=run_on_images,
    claims=(
        Claim(
            "Both losses together improve few-shot classification",
            f"5-way {SHOTS}-shot accuracy on novel classes",
            "prototypical networks, same episodes",
        ),
        Claim(
            "So does Proto-Triplet alone",
            f"5-way {SHOTS}-shot accuracy on novel classes",
            "prototypical networks, same episodes",
        ),
        Claim(
            "So does ICNN alone",
            f"5-way {SHOTS}-shot accuracy on novel classes",
            "prototypical networks, same episodes",
        ),
    ),
    measure=claims(
        (few_shot, lambda: proto_triplet(), networks),
        (few_shot, with_triplet, networks),
        (few_shot, with_neighbours, networks),
        data=novel,
    ),
    setup=SETUP
    + " Training sees half of the images of five classes, another five for each seed. Every batch is an episode of "
    f"all five, {SHOTS} points of each are its support; ICNN is taken over queries and prototypes together (theirs: "
    f"queries and support). Tested on {EPISODES} random episodes of the novel classes, {QUERIES} queries of each.",
)
def proto_triplet() -> Recipe:
    """Mendez-Ruiz et al. 2023: prototypical cross-entropy, Proto-Triplet and ICNN, averaged."""
    return networks().varied(
        "Proto-Triplet + ICNN",
        objective=lambda: (1 / 3) * (prototypical() + margin() + NeighbourScore()),
    )
