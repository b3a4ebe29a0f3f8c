"""Digits with a small perceptron, for systems that choose what is trained on, by stages or in parts."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.data.items import Data
from counterpoint.encoders.image import Perceptron
from counterpoint.methods import Recipe
from counterpoint.systems.core._digits import training
from counterpoint.systems.core.simclr import simclr

STEPS, BATCH = 200, 128
SETUP = (
    "scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a perceptron of 256 and 64 units from "
    f"scratch, AdamW at 1e-3, batches of two views of {BATCH} images. Views: crop and "
    "resize (40% to 100% of the area, 15 degrees), brightness and contrast, blur, noise. Probes: logistic regression "
    "on standardised features, fitted on the training half."
)


def perceptron(data: Data, seed: int) -> Perceptron:
    """The start."""
    del seed
    return Perceptron(data.anchors.tensor[0].numel())


def small(recipe: Recipe, steps: int = STEPS) -> Recipe:
    """The same with it, for so many steps."""
    train = replace(training(), batch_size=BATCH, steps=steps)
    return recipe.varied(recipe.name, start=perceptron, train=train)


def small_simclr() -> Recipe:
    """SimCLR with it."""
    return small(simclr())
