"""MRL (multivariate representation learning): texts as Gaussians, compared by their divergence."""

from __future__ import annotations

from functools import partial

from counterpoint.encoders.multivariate import as_gaussians
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, taught
from counterpoint.objectives import Apart, LambdaMRR, Objective
from counterpoint.procedures import Lists, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.multivariate import FEW_TITLES, unequal_variances
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT
from counterpoint.training import TrainConfig


def by_ranks() -> Objective:
    """The teacher's order of a query's own list, by the student's reciprocal ranks."""
    return Apart("owned", LambdaMRR(geometry=Dot()))


def own_lists(width: int) -> Procedure:
    """Each query's positive and mined negatives, with the teacher's scores."""
    del width
    return Lists()


def gaussians(*, spread: bool = True) -> Recipe:
    """With variances that are learned, or all of them 1."""
    train = TrainConfig(epochs=40, batch_size=64, learning_rate=1e-5, schedule="linear")
    stage = Stage(by_ranks, train, procedure=own_lists, prepare=(bm25_negatives(7), taught()))
    name = "MRL (multivariate representation learning)" if spread else "means alone"
    return Recipe(name, (stage,), Takes("text", "text"), similarity="dot", adapt=partial(as_gaussians, spread=spread))


def means_alone() -> Recipe:
    """The distance of means, by the same loss."""
    return gaussians(spread=False)


_CEILING = Richer(Trained(means_alone), LONGER_SCIFACT)


@system(
    "MRL (multivariate representation learning)",
    title="Multivariate Representation Learning for Information Retrieval",
    year=2023,
    family="retrieval",
    mechanism="tests/systems/test_mrl.py::test_loss_is_that_of_a_naive_loop_over_pairs_of_each_list",
    claims=(
        Claim(
            "Gaussians, compared by their divergence, rank better than points, taught by the same lists",
            found("mrr@10"),
            "means alone, compared by distance, same loss and steps",
            SCIFACT,
            Trained(means_alone),
            ceiling=_CEILING,
        ),
        Claim(
            "They find more than BM25",
            found("ndcg@10"),
            "BM25",
            SCIFACT,
            LEXICAL,
            off=Trained(means_alone),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
    ),
    signal=Signal(unequal_variances, off=Untrained(gaussians)),
    sample=FEW_TITLES,
    setup="As the paper tells it, but for the trace: the sum of quotients of the divergence, where it prints a "
    "quotient of products; there is no code. A table of token vectors stands in for a DistilBERT that TAS-B has "
    "trained: mean and variance are two layers on its one vector, where the paper's variance has a token of its own. "
    "A query's list is its positive and seven negatives of BM25: without the student's own first documents, which "
    "they mine anew every 5,000 steps, and without those of the batch; how many negatives they take is not said. "
    "Batches of 64 in place of 512, without their warm-up of 4,000 steps. The teacher is a small cross-encoder, "
    "kernels on the cosines of every two tokens, trained on the same lists. Distances of means, in place of another "
    "system, are what Gaussians are compared with: the same but for the variances. The ceiling has the test's claims "
    "among its training claims.",
)
def mrl() -> Recipe:
    """Zamani and Bendersky 2023: 381 dimensions, softplus with beta of 5, reciprocal ranks under a teacher's order."""
    return gaussians()
