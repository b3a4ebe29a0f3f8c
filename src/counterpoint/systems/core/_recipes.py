"""Digits with a small perceptron, for systems that choose what is trained on, by stages or in parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import nn

from counterpoint.config import Config
from counterpoint.data.images import Images
from counterpoint.encoders.image import Perceptron, PixelEncoder
from counterpoint.systems.core import _digits
from counterpoint.systems.core._digits import trained

STEPS, BATCH = 200, 128
SETUP = (
    "scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a perceptron of 256 and 64 units from "
    f"scratch, AdamW at 1e-3, batches of two views of {BATCH} images. Views: crop and "
    "resize (40% to 100% of the area, 15 degrees), brightness and contrast, blur, noise. Probes: logistic regression "
    "on standardised features, fitted on the training half."
)


def perceptron(images: Images, seed: int) -> Perceptron:
    """The start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Perceptron(images.pixels[0].numel())


def fit(config: Config, images: Images, seed: int, *, steps: int = STEPS) -> tuple[PixelEncoder, nn.Module]:
    """The start after so many steps of a config, and its head."""
    config = replace(config, train=replace(config.train, batch_size=min(len(images), BATCH)))
    return trained(config, images, seed, start=perceptron, steps=steps)


run_recipe = partial(_digits.run_recipe, start=perceptron)
"""Runs a recipe on half of the images, digits or the user's, and probes on the other half."""
