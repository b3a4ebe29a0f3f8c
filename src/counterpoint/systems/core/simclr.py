"""SimCLR: two random views of an image attract, all others in the batch repel; a projection head takes the loss."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.systems.core._pictures import SELF_SUPERVISED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Seen, Trained, Untrained
from counterpoint.testbeds.figures import probe_accuracy, projection, representation_rank
from counterpoint.views import affine

_SMALL_BATCH = 32


def no_head() -> Recipe:
    """The loss on the representation itself."""
    return simclr().varied("no head", head=None)


def crops_only() -> Recipe:
    """Views without changes of colour."""
    return simclr().varied("crops only", view=affine(area=(0.2, 1.0), aspect=(3 / 4, 4 / 3), flip=True))


def small_batch() -> Recipe:
    """Few negatives in a batch."""
    train = replace(simclr().stages[-1].train, batch_size=_SMALL_BATCH)
    return simclr().varied("small batch", train=train)


system(
    "SimCLR",
    title="A Simple Framework for Contrastive Learning of Visual Representations",
    year=2020,
    family="core",
    mechanism="tests/systems/test_simclr.py::test_loss_is_nt_xent_of_a_naive_loop_over_2n_views",
    claims=(
        Claim(
            "A nonlinear head between representation and loss improves the representation",
            probe_accuracy(),
            "no head",
            SELF_SUPERVISED,
            Trained(no_head),
        ),
        Claim(
            "The representation before the head is better than after it",
            probe_accuracy(),
            "the same model after its head",
            SELF_SUPERVISED,
            Seen(None, probe_accuracy(of=projection)),
        ),
        Claim(
            "Colour changes beside crops improve the representation",
            probe_accuracy(),
            "crops and flips only",
            SELF_SUPERVISED,
            Trained(crops_only),
        ),
        Claim(
            "Larger batches are better",
            probe_accuracy(),
            f"batches of {_SMALL_BATCH}, as many epochs",
            SELF_SUPERVISED,
            Trained(small_batch),
        ),
        Claim(
            "Training without labels improves the representation",
            probe_accuracy(),
            "the untrained encoder",
            SELF_SUPERVISED,
            Untrained(),
            floors=(),
        ),
    ),
    signal=Signal(representation_rank, off=Trained(no_head)),
    setup="AdamW stands in for LARS, GroupNorm for the encoder's BatchNorm; batches of 256 in place of 4,096. The head "
    "is that of the authors' code: BatchNorm over both views together, after the hidden layer and after the last.",
)(simclr)
