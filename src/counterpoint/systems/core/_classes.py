"""Cross-entropy of the classes by the network of a system: what can be reached where labels are known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import AgainstClasses, Procedure
from counterpoint.relation import Relation, same


def of_classes(
    recipe: Recipe, name: str, classes: int, head: Callable[[int], nn.Module] | None = None, **changes: Any
) -> Recipe:
    """The same network, views and budget, with a head of logits; `changes` of further fields."""
    return recipe.varied(
        name,
        objective=_cross_entropy,
        head=head or partial(logits, classes),
        procedure=partial(_against, classes),
        takes=Takes("image", schemas=("labelled",)),
        **changes,
    )


def logits(classes: int, width: int) -> nn.Module:
    """A linear layer, one number a class."""
    return projection(width, out=classes)


def _cross_entropy() -> InfoNCE:
    return InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))


def _against(classes: int, _width: int) -> Procedure:
    return AgainstClasses(classes)
