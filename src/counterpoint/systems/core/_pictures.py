"""What the systems of pictures share: SimCLR as the recipe that they vary, and where they are measured."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.testbeds import CIFAR, MORE_CIFAR, RARER_CIFAR, Richer, Trained, Tuned
from counterpoint.testbeds.beds import small_network
from counterpoint.training import TrainConfig
from counterpoint.views.standard import picture_view

TEMPERATURES = (0.1, 0.2, 0.5)
"""What a baseline's temperature is chosen from, where a system's is, too."""
EPOCHS = 60
TRAIN = TrainConfig(
    epochs=EPOCHS, batch_size=256, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1
)


def projector(width: int) -> nn.Module:
    """SimCLR's head in the authors' code: BatchNorm after both layers, over both views; the last does not shift."""
    last = nn.BatchNorm1d(width)
    last.bias.requires_grad_(False)
    return projection(width, hidden=(width,), norm=nn.BatchNorm1d, last=lambda: last)


def plain_head(width: int) -> nn.Module:
    """A head of one hidden layer without BatchNorm, as the paper's section 2.1 and much later code have it."""
    return projection(width, hidden=(width,))


def simclr(temperature: float = 0.5) -> Recipe:
    """Chen et al. 2020: NT-Xent (equation 1) on a head with one hidden layer; 0.5 is that of their CIFAR-10 runs."""
    stage = Stage(lambda: InfoNCE(temperature, layout="views"), TRAIN, head=projector, view=picture_view())
    return Recipe("SimCLR", (stage,), Takes("image"), small_network)


def longer() -> Recipe:
    """SimCLR at the temperature that is best where it is chosen, for where it has more data and steps."""
    return simclr(TEMPERATURES[0]).varied("SimCLR with more")


TUNED = Tuned(simclr, TEMPERATURES)
"""SimCLR with the best of three temperatures."""
SELF_SUPERVISED = replace(CIFAR, ceiling=Richer(Trained(longer), MORE_CIFAR))
"""CIFAR-10; its ceiling is SimCLR with twice the pictures and four times the steps."""
LONG_TAIL = replace(RARER_CIFAR, ceiling=Richer(Trained(longer), MORE_CIFAR))
"""The same with classes that grow rarer."""
