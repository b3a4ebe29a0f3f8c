"""ARM: the encoder's own similarity of the documents says by how much the right one must win."""

from __future__ import annotations

from collections.abc import Callable

import torch

from counterpoint.geometry import Cosine
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, taught
from counterpoint.objectives import AdaptiveMargin, Apart, DistillKL, InfoNCE, Objective, Triplet
from counterpoint.procedures import Lists, Procedure
from counterpoint.relation import Relation, mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned, Untrained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, SMALL_TITLES, margins_follow
from counterpoint.training import TrainConfig

_MARGINS = (0.2, 0.5, 0.8)


def _recipe(name: str, objective: Callable[[], Objective]) -> Recipe:
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=1e-5)
    return Recipe(name, (Stage(objective, train, prepare=(bm25_negatives(1),)),), Takes("text", "text"))


def _lists(width: int) -> Procedure:
    del width
    return Lists()


def distilled() -> Recipe:
    """A cross-encoder says how sure each query should be of its answer, over the same mined documents."""
    recipe = _recipe("distillation", lambda: Apart("owned", DistillKL(0.05)))
    return recipe.varied("distillation", prepare=(bm25_negatives(1), taught()), procedure=_lists)


def _against_mined() -> Relation:
    return Relation(negative=mined)


def static(margin: float) -> Recipe:
    """The same squared error with one number for a target."""
    return _recipe(
        "static margin",
        lambda: Triplet(margin, shape=torch.square, geometry=Cosine(), relation=_against_mined()),
    )


def middling() -> Recipe:
    """The number that documents have which have nothing in common."""
    return static(0.5)


def infonce() -> Recipe:
    """The same data and start, contrasted with all negatives."""
    return _recipe("InfoNCE", lambda: InfoNCE(0.05))


_CEILING = Richer(Trained(infonce), LONGER_SCIFACT)


@system(
    "ARM",
    title="Learning Effective Representations for Retrieval Using Self-Distillation with Adaptive Relevance Margins",
    year=2024,
    family="core",
    mechanism="tests/systems/test_arm.py::test_loss_is_the_squared_error_of_margins_of_a_naive_loop",
    claims=(
        Claim(
            "Self-distillation is as good as distillation from a teacher",
            found("ndcg@10"),
            "a cross-encoder's scores of the same documents; as good as within 0.02",
            SCIFACT,
            Trained(distilled),
            off=Trained(middling),
            ceiling=_CEILING,
            margin=0.02,
        ),
        Claim(
            "A margin that follows the similarity beats a fixed one",
            found("ndcg@10"),
            "the same squared error with the best of three static margins",
            SCIFACT,
            Tuned(static, _MARGINS),
            off=Trained(middling),
            ceiling=_CEILING,
        ),
        Claim(
            "It improves a pretrained start without a teacher",
            found("ndcg@10"),
            "the start",
            SCIFACT,
            Untrained(),
            ceiling=_CEILING,
            floors=(),
        ),
    ),
    signal=Signal(margins_follow, off=Trained(middling)),
    sample=SMALL_TITLES,
    setup="A table of token vectors that InfoNCE has trained on titles and abstracts stands in for a pretrained "
    "transformer, since the targets are the start's own similarities of documents. Negatives are the batch's mined "
    "documents, one of BM25 a query, and no other query's positive, as in the authors' in-batch form; the positive's "
    "score is that of the row, as the paper has it, where their code takes the column's. Their distributed targets, "
    "which regress one margin on a whole batch, and other error functions than the square are not measured. The "
    "teacher is a small cross-encoder, kernels on the cosines of every two tokens, trained on the same lists.",
)
def arm() -> Recipe:
    """Gienapp et al. 2024: adaptive targets, squared error, in-batch over mined negatives."""
    return _recipe("ARM", lambda: AdaptiveMargin(relation=_against_mined()))
