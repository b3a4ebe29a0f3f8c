"""Starts that have been trained already, with nothing of what is measured."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.recipe import Start
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import AgainstClasses
from counterpoint.relation import Relation, same
from counterpoint.testbeds.beds import OMNIGLOT
from counterpoint.training import TrainConfig
from counterpoint.views.standard import picture_view


def contrasted(data: Data, start: Start, epochs: int, seed: int) -> nn.Module:
    """What SimCLR makes of a start in so many epochs of pictures, whose labels it does not see.

    Args:
        data: Pictures.
        start: The network before.
        epochs: Of two views of each picture, in batches of 256.
        seed: Of the start and the training.
    """
    train = TrainConfig(epochs=epochs, batch_size=256, validations=1, **OMNIGLOT.settings)
    stage = Stage(lambda: InfoNCE(0.5, layout="views"), train, head=_projector, view=picture_view())
    return Recipe("SimCLR", (stage,), Takes("image"), start).make(data, seed)[0]


def classified(data: Data, start: Start, epochs: int, seed: int) -> nn.Module:
    """What a classifier makes of a start in so many epochs of labelled pictures; its last layer is dropped.

    Args:
        data: Pictures with labels.
        start: The network before.
        epochs: Of two views of each picture, in batches of 256.
        seed: Of the start and the training.
    """
    classes = 1 + int(data.columns["label"].max())
    stage = Stage(
        lambda: InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label"))),
        TrainConfig(epochs=epochs, batch_size=256, validations=1, **OMNIGLOT.settings),
        head=lambda width: projection(width, out=classes),
        view=picture_view(),
        procedure=lambda _width: AgainstClasses(classes),
    )
    return Recipe("cross-entropy", (stage,), Takes("image", schemas=("labelled",)), start).make(data, seed)[0]


def _projector(width: int) -> nn.Module:
    return projection(width, hidden=(width,), norm=nn.BatchNorm1d)
