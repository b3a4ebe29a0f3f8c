"""PAL: positives are a graph; whoever adds edges, be it views, labels or an oracle's answers, chooses the method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from counterpoint.data.images import Images
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import SupCon
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, Parts, halves, run_on
from counterpoint.systems.core._versus import fitted, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

QUESTIONS = 900


def answered(images: Images, pairs: Int[Tensor, "p 2"]) -> Images:
    """Images with a column `edge`: the connected component of the pairs that an oracle calls the same."""
    same_n = images.labels[pairs[:, 0]] == images.labels[pairs[:, 1]]
    i, j = pairs[same_n].T.numpy()
    graph = coo_array((torch.ones(len(i)).numpy(), (i, j)), shape=(len(images), len(images)))
    component = connected_components(graph, directed=False)[1]
    return replace(images, columns={**images.columns, "edge": torch.from_numpy(component).long()})


def random_pairs(seed: int) -> Parts:
    """Questions about pairs drawn at random."""
    train, test = halves(seed)
    pairs = torch.randint(len(train), (QUESTIONS, 2), generator=torch.Generator().manual_seed(seed))
    return answered(train, pairs), test


@cache
def nearest_pairs(seed: int) -> Parts:
    """Questions about each image and its nearest neighbour, in the eyes of SimCLR."""
    train, test = halves(seed)
    model, _ = fitted(simclr, seed)
    z = F.normalize(torch.from_numpy(model.encode(train.pixels)), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-1).argmax(1)
    pairs = torch.stack([torch.arange(len(z)), nearest], 1)
    return answered(train, pairs[:QUESTIONS]), test


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    def found(data: Callable[[int], Parts]) -> float:
        return probe_accuracy(*fitted(pal, seed, data), data(seed))

    active, passive = found(nearest_pairs), found(random_pairs)
    plain = probe_accuracy(*fitted(simclr, seed), halves(seed))
    edges = {
        f"shared edges, {name}": float(len(part.labels) - len(part.columns["edge"].unique()))
        for name, part in (("active", nearest_pairs(seed)[0]), ("passive", random_pairs(seed)[0]))
    }
    return ((active, plain), (active, passive)), edges


@system(
    "PAL",
    title="Active Self-Supervised Learning: A Few Low-Cost Relationships Are All You Need",
    year=2023,
    family="core",
    mechanism="tests/systems/test_pal.py::test_simclr_and_supcon_are_choices_of_the_graph",
    run=run_on(random_pairs),
    claims=(
        Claim("A few answers of an oracle improve on self-supervision", "probe accuracy", "SimCLR: no answers"),
        Claim("Questions chosen by the model are worth more than random ones", "probe accuracy", "random questions"),
    ),
    measure=_measure,
    setup=SETUP + f" The oracle answers at most {QUESTIONS} questions whether two training images are of one class; "
    "who is the same as a third is the same. The active learner asks about each image and its nearest neighbour by "
    "SimCLR, whose training is not counted in its budget.",
)
def pal() -> Recipe:
    """Cabannes et al. 2023, section 3: the contrastive loss on a graph, whose edges are the column `edge`."""
    return simclr().varied(
        "PAL", takes=Takes("image", columns=("edge",)), objective=lambda: SupCon(0.5, relation=Relation(same("edge")))
    )
