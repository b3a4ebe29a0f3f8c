"""CPC: a context of the past is contrasted with what comes next, several steps ahead."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.rows import RowReader
from counterpoint.geometry import Dot
from counterpoint.heads import MeanContext, Predictions
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Futures, Procedure
from counterpoint.systems.core._classes import logits, of_classes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.halves import SMALL
from counterpoint.testbeds.speech import ALL_TAKES, BATCH, SPEECH, foreseen
from counterpoint.training import TrainConfig

_AHEAD, _WIDTH, _CONTEXT, _CLASSES = 12, 32, 64, 10
_TRAIN = TrainConfig(epochs=10, batch_size=BATCH, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1)


def start(data: Data, seed: int) -> RowReader:
    """A perceptron on each row and a GRU over rows."""
    del seed
    channels, _, width = data.anchors.tensor.shape[1:]
    return RowReader(channels * width, width=_WIDTH, context=_CONTEXT)


def _head(ahead: int, context: int) -> nn.Module:
    """One matrix for each step ahead."""
    return Predictions(_WIDTH, context, steps=ahead)


def _futures(_width: int) -> Procedure:
    return Futures()


def ahead_of(steps: int) -> Recipe:
    """Predictions of so many rows ahead."""
    stage = Stage(lambda: InfoNCE(1.0, geometry=Dot()), _TRAIN, head=partial(_head, steps), procedure=_futures, views=1)
    takes = Takes("image")
    return Recipe(f"{steps} steps ahead", (stage,), takes, start, similarity="dot", own_start=True)


def predicting() -> Recipe:
    """The whole method, under a name of its own."""
    return ahead_of(_AHEAD)


def next_step() -> Recipe:
    """Only the next step is predicted."""
    return ahead_of(1)


def two_steps() -> Recipe:
    """Two steps are predicted, the fewest of the paper's table."""
    return ahead_of(2)


def disordered(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Each picture's rows in an order of its own, so that what comes next does not follow from what was."""
    del encoder
    pixels, generator = data.anchors.tensor, torch.Generator().manual_seed(seed)
    order = torch.rand(pixels.shape[0], pixels.shape[2], generator=generator).argsort(1)
    mixed = pixels.gather(2, order[:, None, :, None].expand_as(pixels))
    return Data(Items("image", mixed), data.anchor, columns=data.columns, source=data.source)


def without_order() -> Recipe:
    """The same without anything to predict."""
    return predicting().varied("shuffled rows", prepare=(disordered,))


def supervised() -> Recipe:
    """The same network, its mean context trained with the labels."""

    def head(context: int) -> nn.Module:
        return nn.Sequential(MeanContext(_WIDTH), logits(_CLASSES, context))

    return of_classes(predicting(), "supervised", _CLASSES, head)


_PREDICTING = Claim(
    "Predicting the future improves the context",
    probe_accuracy(),
    "random weights",
    SPEECH,
    Untrained(predicting),
    off=Trained(without_order),
    ceiling=Richer(Trained(supervised), ALL_TAKES),
    floors=(),  # the baseline is the floor
)
_SEVERAL = Claim(
    "Predicting several steps ahead is better than only the next",
    probe_accuracy(),
    f"one step ahead in place of {_AHEAD}",
    SPEECH,
    Trained(next_step),
    ceiling=Richer(Trained(supervised), ALL_TAKES),
)


@system(
    "CPC",
    title="Representation Learning with Contrastive Predictive Coding",
    year=2018,
    family="core",
    mechanism="tests/systems/test_cpc.py::test_loss_is_equation_4_of_a_naive_loop_over_steps_ahead",
    sample=SMALL,
    claims=(
        _PREDICTING,
        replace(
            _PREDICTING,
            text="The same context tells the speaker",
            figure=probe_accuracy("speaker"),
            ceiling=1.0,
        ),
        _SEVERAL,
        replace(
            _SEVERAL,
            text="Predicting several steps ahead is better than two, the fewest of the paper",
            against=f"two steps ahead in place of {_AHEAD}",
            baseline=Trained(two_steps),
        ),
    ),
    signal=Signal(foreseen, off=Trained(without_order)),
    setup=f"Spoken digits stand for LibriSpeech: rows of 10 ms as in the paper, {_AHEAD} of them ahead, 8 recordings a "
    "batch; the digit stands for the phone, and the mean of all contexts is probed, since the last one has nothing "
    f"left to predict. A perceptron of {_WIDTH} on log-mel bands stands for strided convolutions on the wave, a GRU "
    f"of {_CONTEXT} for one of 256. Negatives are all other steps of the batch, of the same recording and of "
    "others. The ceiling is trained on the takes of the test, too. Pictures are read row by row, from top to bottom.",
)
def cpc() -> Recipe:
    """Van den Oord et al. 2018, equations 3 and 4: InfoNCE of `z_{t+k} W_k c_t`, negatives from the batch."""
    return predicting().varied("CPC")
