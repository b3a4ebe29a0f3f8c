"""ClusterNS: the second nearest centroid is a hard negative, and mates of a cluster are kept at a bounded distance."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.objectives import BoundedMargin, InfoNCE, Objective
from counterpoint.procedures import ClusterNegatives, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import on_captions
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman, uniform
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

TEMPERATURE, WEIGHT, BETA, CLUSTERS, START, RATE = 0.05, 1e-3, 0.3, 32, 0.4, 1e-3
"""Of InfoNCE; of the margin loss and its far end; as many as half a batch of 64; when they begin; how they move."""


def loss() -> Objective:
    """InfoNCE, and the margin for mates of a cluster."""
    return InfoNCE(TEMPERATURE) + WEIGHT * BoundedMargin(0.0, BETA, relation=ClusterNegatives.mates)


def clusters(width: int) -> Procedure:
    """With their centroids for negatives."""
    return ClusterNegatives(CLUSTERS, width, start=START, rate=RATE)


def no_centroids(width: int) -> Procedure:
    """Of which only who is in them is said."""
    return ClusterNegatives(CLUSTERS, width, start=START, rate=RATE, hard=False)


def without_margin() -> Recipe:
    """Centroids as negatives, and mates of a cluster as all others."""
    return clusterns().varied("ClusterNS without margin", objective=lambda: InfoNCE(TEMPERATURE))


def without_centroids() -> Recipe:
    """The margin alone."""
    return clusterns().varied("ClusterNS without centroids", procedure=no_centroids)


APART = replace(
    LIKENESS,
    name="likeness, longer",
    about=LIKENESS.about.replace("40 steps at a rate of 2e-3", "80 steps at a rate of 5e-3"),
    steps=80,
    settings=LIKENESS.settings | {"learning_rate": 5e-3},
)
"""Until clusters begin, and some steps with them."""


@system(
    "ClusterNS",
    title="Clustering-Aware Negative Sampling for Unsupervised Sentence Representation",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_clusterns.py::test_loss_is_that_of_a_naive_loop_over_centroids_and_mates",
    claims=(
        on_captions("Clusters improve on dropout alone", "SimCSE", Trained(simcse)),
        on_captions("Centroids are good negatives", "without centroids", Trained(without_centroids)),
        on_captions("A margin for mates of a cluster is better than none", "without margin", Trained(without_margin)),
        Claim(
            "Clusters improve on dropout alone by what people say of pairs",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(uniform, off=Trained(simcse)),
    sample=APART,
    setup="As SimCSE here, with the paper's settings of BERT-base without prompts, and captions of pictures in place "
    f"of STS in the first three claims: is the nearest of all captions one of the same picture? {CLUSTERS} clusters "
    "for batches of 64 are half a batch, as 128 are of theirs of 256. A sentence and its other view are in the "
    "cluster of the first. The second nearest centroid of each sentence is a negative of all, as in the authors' "
    "code. Mates of a cluster are negatives in InfoNCE, too, and the margin is averaged over all pairs of a "
    "batch, as there. A cluster moves to the sum of its sentences, which is the code's, too, and adds to its "
    f"length; lengths do not count. Clusters begin when the mean cosine of a batch is at most {START}.",
)
def clusterns() -> Recipe:
    """Deng et al. 2023 and their code, of their BERT-base without prompts: SimCSE with online clusters."""
    train = replace(simcse().stages[-1].train, batch_size=256, learning_rate=5e-5)
    return simcse().varied("ClusterNS", objective=loss, procedure=clusters, train=train)
