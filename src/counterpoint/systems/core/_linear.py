"""Linear encoders of synthetic vectors, trained with the spectral loss: what theories are of."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective, Spectral
from counterpoint.procedures import Forget
from counterpoint.relation import Relation, never, same
from counterpoint.testbeds.synthetic import DIMENSIONS, Linear
from counterpoint.training import TrainConfig
from counterpoint.views import View

TRAIN = TrainConfig(steps=1500, batch_size=256, learning_rate=0.02, optimizer="sgd", weight_decay=0.0, dtype="float32")


def by_label() -> Objective:
    """Spectral loss whose positives are of the same class; negatives are all pairs, as in the expectation."""
    return Spectral(relation=Relation(same("label"), negative=~never))


def by_view() -> Objective:
    """Spectral loss whose positives are views of the same example; negatives are all pairs."""
    return Spectral(relation=Relation(negative=~never))


def linear(
    name: str,
    objective: Callable[[], Objective],
    width: int,
    view: View,
    head: Callable[[int], nn.Module] | None = None,
    scale: float = 0.01,
) -> Recipe:
    """A linear encoder of so many dimensions; equal vectors are negatives of each other, as in the expectation."""

    def start(data: Data, seed: int) -> Linear:
        del data, seed
        return Linear(DIMENSIONS, width, scale)

    stage = Stage(objective, TRAIN, head=head, procedure=_all, view=view)
    return Recipe(name, (stage,), Takes("vector"), start, similarity="dot", own_start=True)


def _all(_width: int) -> Forget:
    return Forget("input")
