"""Digits with a small perceptron, for systems that choose what is trained on, by stages or in parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from counterpoint.config import Config
from counterpoint.data.images import Images, digits, load_images
from counterpoint.encoders.image import Perceptron, PixelEncoder
from counterpoint.evaluate import probe
from counterpoint.systems.registry import Figures, Run, Say
from counterpoint.training import train
from counterpoint.views import ImageBatches

STEPS, BATCH = 200, 128
SETUP = (
    "scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a perceptron of 256 and 64 units from "
    f"scratch, AdamW at 1e-3, batches of two views of {BATCH} images. Views: crop and "
    "resize (40% to 100% of the area, 15 degrees), brightness and contrast, blur, noise. Probes: logistic regression "
    "on standardised features, fitted on the training half."
)
Recipe: TypeAlias = Callable[[Config, Images, int], PixelEncoder]
"""From a config, images and a seed to a trained encoder."""


def perceptron(images: Images, seed: int) -> Perceptron:
    """The start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Perceptron(images.pixels[0].numel())


def fit(config: Config, images: Images, seed: int, *, steps: int = STEPS) -> tuple[Perceptron, nn.Module]:
    """The start after so many steps of a config, and its head."""
    model = perceptron(images, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Identity() if config.head is None else config.head(model.dim)
        procedure = None if config.procedure is None else config.procedure(model.dim)
        objective = config.objective()
    assert config.view is not None
    per_epoch = len(images) // min(len(images), BATCH)
    # half a step less, so that rounding up never makes one more
    settings = replace(config.train, batch_size=BATCH, epochs=(steps - 0.5) / per_epoch, seed=seed, validations=1)
    batches = ImageBatches(images, config.view, config.views)
    train(model, batches, objective, settings, head=head, procedure=procedure)
    return model, head


def probed(features: Callable[[Images], np.ndarray], parts: tuple[Images, Images]) -> float:
    """Accuracy of a linear probe on features of the test part."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features(parts[0]))
    x, y = (scaler.transform(features(part)) for part in parts)
    names = [[str(label) for label in part.labels.tolist()] for part in parts]
    return float((probe(x, names[0], y) == np.array(names[1])).mean())


def accuracy(model: PixelEncoder, parts: tuple[Images, Images]) -> float:
    """The same on the encoder's vectors."""
    return probed(lambda images: model.encode(images.pixels), parts)


def run_recipe(recipe: Recipe) -> Run:
    """Runs a recipe on half of the images, digits or the user's, and probes on the other half."""

    def run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
        from safetensors.torch import save_file

        from counterpoint.files import atomic

        images = digits() if source is None else load_images(source)
        parts = images.split()
        say(f"{images.source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
        model = recipe(config, parts[0], 0)
        with atomic(output / "encoder.safetensors") as part:
            save_file(model.state_dict(), part)
        before = accuracy(perceptron(images, 0), parts)
        return {"untrained: probe accuracy": before, f"{config.name}: probe accuracy": accuracy(model, parts)}

    return run
