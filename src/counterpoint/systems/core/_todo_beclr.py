"""BECLR: positives from a clustered memory, and few-shot prototypes carried to the queries."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import PixelEncoder
from counterpoint.evaluate.episodes import Align, few_shot, transported
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment, Uniformity
from counterpoint.procedures import Chain, ClusteredNeighbours, Predictor, Teacher
from counterpoint.systems.core._digits import run_on_images, trained
from counterpoint.systems.core._recipes import SETUP, STEPS, small_simclr
from counterpoint.systems.core.simsiam import projector
from counterpoint.systems.registry import Claim, Figures, Pair, system

DECAY, MEMORY, CLUSTERS, NEIGHBOURS, AFTER, EPISODES = 0.99, 1024, 20, 5, 50, 200


def _predictor(width: int) -> Predictor:
    return Predictor(projection(width, hidden=(width // 4,), norm=nn.BatchNorm1d))


def no_memory() -> Recipe:
    """The same without the memory."""
    return beclr().varied("BECLR, no memory", procedure=lambda width: Chain(Teacher(DECAY), _predictor(width)))


def novel(seed: int) -> tuple[Images, Images]:
    """Digits of five classes by chance to train on, without their labels, and of the others for the episodes."""
    images = digits()
    known = torch.randperm(10, generator=torch.Generator().manual_seed(seed))[:5]
    seen = torch.isin(images.labels, known)
    return images[seen.nonzero()[:, 0]], images[(~seen).nonzero()[:, 0]]


def _accuracy(model: PixelEncoder, images: Images, align: Align | None = None, shots: int = 1) -> float:
    z = model.encode(images.pixels)
    # each vector centred and scaled by itself, as in the paper's code
    z = (z - z.mean(1, keepdims=True)) / np.maximum(z.std(1, keepdims=True), 1e-6)
    names = [str(label) for label in images.labels.tolist()]
    return few_shot(z, names, shots=shots, episodes=EPISODES, align=align, samples=0)["accuracy"].value


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    train, test = novel(seed)
    ours, bare, simple = (trained(make(), train, seed)[0] for make in (beclr, no_memory, small_simclr))
    one, moved = _accuracy(ours, test), _accuracy(ours, test, transported)
    pairs = (one, _accuracy(bare, test)), (moved, one), (moved, _accuracy(simple, test))
    return pairs, {"5-way 5-shot accuracy": _accuracy(ours, test, shots=5)}


@system(
    "BECLR",
    title="BECLR: Batch Enhanced Contrastive Few-Shot Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_beclr.py::test_a_key_brings_the_nearest_of_its_own_cluster",
    run=run_on_images,
    claims=(
        Claim(
            "Positives from the clustered memory improve the representation",
            "5-way 1-shot accuracy",
            "the same without the memory",
        ),
        Claim(
            "Transporting prototypes to the queries improves inference",
            "5-way 1-shot accuracy",
            "prototypes as they are",
        ),
        Claim(
            "Both together are better than contrastive learning alone",
            "5-way 1-shot accuracy",
            "SimCLR with prototypes as they are",
        ),
    ),
    measure=_measure,
    setup=SETUP
    + f" {STEPS} steps on five classes, {EPISODES} episodes of the five others, each with 15 queries a class; the "
    "nearest prototype stands for their logistic regression on prototypes. One memory, of the teacher's keys: queries "
    f"are drawn to the neighbours of their key ({NEIGHBOURS} of {MEMORY}, {CLUSTERS} clusters by cosine, k-means every "
    f"{AFTER} steps). The repelling term is on predictions, and on pairs of one view; images are not masked. "
    "Projector and predictor have BatchNorm as in the authors' code; the projector is SimSiam's.",
)
def beclr() -> Recipe:
    """Poulakakis-Daktylidis and Jamali-Rad 2024: `-cos` and 0.1 times the log mean of `exp(cos / 2)`, as here.

    `|p - z|^2 / 2 = 1 - cos`. Of uniformity's two sides only the predictions have a gradient, so it counts 0.2.
    """
    return small_simclr().varied(
        "BECLR",
        objective=lambda: 0.5 * Alignment() + 0.2 * Uniformity(0.25),
        head=projector,
        procedure=lambda width: Chain(
            Teacher(DECAY),
            ClusteredNeighbours(MEMORY, width, clusters=CLUSTERS, k=NEIGHBOURS, after=AFTER),
            _predictor(width),
        ),
    )
