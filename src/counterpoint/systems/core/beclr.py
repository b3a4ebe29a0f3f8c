"""BECLR: positives from a clustered memory, and few-shot prototypes carried to the queries."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.evaluate.episodes import transported
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import Alignment, Objective, SupCon, Uniformity
from counterpoint.procedures import Chain, ClusteredNeighbours, Predictor, Procedure, Teacher
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import OMNIGLOT, Seen, Trained
from counterpoint.testbeds.figures import rank
from counterpoint.testbeds.weak import episodes

DECAY, MEMORY, CLUSTERS, NEIGHBOURS, AFTER, EARLY = 0.99, 1024, 40, 5, 150, 4


def projector(width: int) -> nn.Module:
    """The authors': three layers, BatchNorm after each."""
    return projection(width, hidden=(width, width), norm=nn.BatchNorm1d, last=lambda: nn.BatchNorm1d(width))


def _predictor(width: int) -> Predictor:
    return Predictor(projection(width, hidden=(width // 4,), norm=nn.BatchNorm1d))


def _without(width: int) -> Procedure:
    return Chain(Teacher(DECAY), _predictor(width))


def _with(width: int, after: int = AFTER) -> Procedure:
    memory = ClusteredNeighbours(MEMORY, width, clusters=CLUSTERS, k=NEIGHBOURS, after=after)
    return Chain(Teacher(DECAY), memory, _predictor(width))


def _early(width: int) -> Procedure:
    return _with(width, EARLY)


def loss() -> Objective:
    """`-cos` and 0.1 times the log mean of `exp(cos / 2)`, but for constants.

    `|p - z|^2 / 2 = 1 - cos`. Of uniformity's two sides only the predictions have a gradient, so it counts 0.2.
    """
    return 0.5 * Alignment() + 0.2 * Uniformity(0.25)


def beclr() -> Recipe:
    """Poulakakis-Daktylidis and Jamali-Rad 2024: the teacher's keys with their neighbours, a predictor."""
    train = replace(simclr().stages[-1].train, batch_size=128)
    return simclr().varied("BECLR", objective=loss, head=projector, procedure=_with, train=train)


def no_memory() -> Recipe:
    """The same without the memory."""
    return beclr().varied("BECLR, no memory", procedure=_without)


def early() -> Recipe:
    """With neighbours nearly from the start."""
    return beclr().varied("BECLR, early", procedure=_early)


def small_simclr() -> Recipe:
    """SimCLR with batches as small."""
    return simclr().varied("SimCLR, batches of 128", train=beclr().stages[-1].train)


def supervised() -> Recipe:
    """Trained with the labels of the characters that are not the test."""
    recipe = small_simclr()
    return recipe.varied("SupCon", takes=Takes("image", schemas=("labelled",)), objective=lambda: SupCon(0.1))


BED = replace(
    OMNIGLOT,
    name="Omniglot, four times the epochs",
    about=OMNIGLOT.about.replace("20 epochs of two views", "80 epochs of two views"),
    epochs=80,
)
"""In 20 epochs a method without negatives has learned little: 0.58 without the memory, 0.79 in 80."""
_PLAIN, _MOVED = episodes(), episodes(align=transported)
system(
    "BECLR",
    title="BECLR: Batch Enhanced Contrastive Few-Shot Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_beclr.py::test_the_system_pulls_predictions_to_neighbours_of_their_keys",
    claims=(
        Claim(
            "Both together are better than contrastive learning alone",
            _MOVED,
            "SimCLR with prototypes as they are",
            BED,
            Seen(Trained(small_simclr), _PLAIN),
            ceiling=Seen(Trained(supervised), _MOVED),
        ),
        Claim(
            "Positives from the clustered memory improve the representation",
            _PLAIN,
            "the same without the memory",
            BED,
            Trained(no_memory),
            ceiling=Trained(supervised),
        ),
        Claim(
            "Transporting prototypes to the queries improves inference",
            _MOVED,
            "prototypes as they are",
            BED,
            Seen(None, _PLAIN),
            ceiling=Seen(Trained(supervised), _MOVED),
        ),
    ),
    signal=Signal(rank, off=Trained(no_memory), system=Trained(early)),
    setup="600 episodes of characters of other alphabets, each of five with one shot and 15 queries, a logistic "
    f"regression on prototypes as theirs. Over so few steps the teacher's decay is {DECAY} (0.995 there), the memory "
    f"has {MEMORY:,} of its keys in {CLUSTERS} clusters by cosine and an epsilon of 0.05 (8,000 in 200 by distance, "
    f"1e-5), and k-means is every {AFTER} steps (from epoch 60 of 400 on there, as here). Only keys bring neighbours, "
    "where theirs extends students too, and the repelling term is on predictions of one view, where theirs is on "
    "projections of both: here a loss sees one pair of sides. Drawings are not masked, which would leave strokes out.",
)(beclr)
