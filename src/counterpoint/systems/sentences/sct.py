"""SCT: a projection of one view is to lie among past vectors of the other as the other itself lies there."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.heads import AlsoGiven, projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import DistillKL, InfoNCE
from counterpoint.procedures import CrossView, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import INFERENCES, LIKE_PAIRS, alignment_of_like
from counterpoint.training import TrainConfig

TEMPERATURE, REFERENCE, QUEUE, WIDER = 0.04, 0.03, 4096, 10
"""The projection's and the reference's, of their smallest model; of each view; of the projector's hidden layers."""


def perceptrons(width: int) -> nn.Module:
    """Three of one hidden layer each, ten times as wide."""
    return nn.Sequential(*(projection(width, hidden=(WIDER * width,), out=width) for _ in range(3)))


def projector(width: int) -> nn.Module:
    """These, and the representation itself."""
    return AlsoGiven(perceptrons(width))


def queues(width: int) -> Procedure:
    """One for each view."""
    return CrossView(QUEUE, width)


def own_queues(width: int) -> Procedure:
    """Each view is taught by itself."""
    return CrossView(QUEUE, width, crossed=False)


def no_queues(width: int) -> Procedure:
    """The batch alone."""
    return CrossView(0, width)


def two_views(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each text with the first that it is paired with, and nothing else."""
    del encoder, seed
    assert data.positives is not None
    return replace(data, positives=data.positives[:, :1], negatives=None)


def contrasted() -> Recipe:
    """The views are each other's positives."""
    return sct().varied("InfoNCE of both views", objective=lambda: InfoNCE(0.05), head=None, procedure=None)


def projected() -> Recipe:
    """The same behind the projector."""
    return contrasted().varied("InfoNCE behind the projector", head=perceptrons)


def itself() -> Recipe:
    """Each view lies where it lies."""
    return sct().varied("SCT, each view by itself", procedure=own_queues)


def of_batch() -> Recipe:
    """Where a view lies among its batch."""
    return sct().varied("SCT without queues", procedure=no_queues)


def _better(text: str, against: str, baseline: Trained) -> Claim:
    return Claim(text, spearman, against, INFERENCES, baseline, ceiling=CEILING)


@system(
    "SCT",
    title="An Efficient Self-Supervised Cross-View Training For Sentence Embedding",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_sct.py::test_loss_is_that_of_a_naive_loop_over_batch_and_queues",
    claims=(
        _better("Matched likenesses are better than contrasted views", "InfoNCE of the pairs", Trained(contrasted)),
        _better("And than those behind as wide a projector", "InfoNCE, the same projector", Trained(projected)),
        _better("Views that teach each other are better", "each view taught by itself", Trained(itself)),
        _better("Past vectors are better than the batch alone", "without queues", Trained(of_batch)),
    ),
    signal=Signal(alignment_of_like, off=Trained(contrasted)),
    sample=LIKE_PAIRS,
    setup="A premise of SNLI and what follows from it are the two views, in place of two back-translations of each "
    f"sentence of SNLI and MNLI. Queues of {QUEUE:,} for 131,072 of their smallest model, whose temperatures these "
    "are; batches of 64 for 128. Contradictions are left out. The reference is that of the same encoding, without "
    "gradient, where theirs is another one of the same text with other dropout. The start and the rate are those of "
    "SimCSE here.",
)
def sct() -> Recipe:
    """Limkonchotiwat et al. 2023, with the temperatures of their smallest model; its views are pairs."""
    train = TrainConfig(epochs=20, batch_size=128, learning_rate=5e-4, schedule="linear")
    stage = Stage(
        lambda: DistillKL(TEMPERATURE, guide_temperature=REFERENCE),
        train,
        head=projector,
        procedure=queues,
        prepare=(two_views,),
    )
    return Recipe("SCT", (stage,), Takes("text", "text"))
