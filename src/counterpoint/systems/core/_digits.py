"""Digits as the image systems share them: the same split, start, views, training and probes."""

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
from counterpoint.encoders.image import ImageEncoder, PixelEncoder
from counterpoint.evaluate import probe
from counterpoint.systems.registry import Figures, Run, Say
from counterpoint.training import train
from counterpoint.views import ImageBatches, View, affine, blur, brightness, compose, grey, jitter, noise

EPOCHS = 60
SETUP = (
    "scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a residual network of 16, 32, 64 "
    f"channels from scratch, {EPOCHS} epochs of two views of each image (as many views in fewer epochs where there are "
    "more), batches of 256, AdamW at 1e-3. Views: crop and resize (40% to 100% of the area, 15 degrees), brightness "
    "and contrast, blur, noise; no flips, which turn digits into others. Probes: logistic regression on standardised "
    "features, fitted on the training half."
)
Parts: TypeAlias = tuple[Images, Images]
Data: TypeAlias = Callable[[int], Parts]
"""From a seed to a training part, and another one to measure on."""
Start: TypeAlias = Callable[[Images, int], PixelEncoder]
"""From images and a seed to an encoder, as it is before training."""
Recipe: TypeAlias = Callable[[Config, Images, int], PixelEncoder]
"""From a config, images and a seed to a trained encoder."""


def halves(seed: int) -> Parts:
    """Digits, half of each class for test."""
    return digits().split(seed=seed)


def view() -> View:
    """SimCLR's views, as far as they suit digits, or for pictures in colour."""
    crop = affine(area=(0.4, 1.0), aspect=(3 / 4, 4 / 3), degrees=15.0)
    digit = compose(crop, brightness(0.4), blur((0.1, 1.0)), noise(0.05))
    wide = affine(area=(0.2, 1.0), aspect=(3 / 4, 4 / 3), flip=True)
    picture = compose(wide, jitter(0.5), grey(0.2), blur((0.1, 1.0)))
    return lambda pixels: digit(pixels) if pixels.shape[1] == 1 else picture(pixels)


def encoder(images: Images, seed: int) -> ImageEncoder:
    """The start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ImageEncoder(images.pixels.shape[1], widths=(16, 32, 64))


def trained(
    config: Config, images: Images, seed: int, *, start: Start = encoder, steps: int = 0
) -> tuple[PixelEncoder, nn.Module]:
    """The start, trained as a config says for so many steps, or (0) for `EPOCHS`; and its head."""
    model = start(images, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Identity() if config.head is None else config.head(model.dim)
        procedure = None if config.procedure is None else config.procedure(model.dim)
        objective = config.objective()
    assert config.view is not None
    # the same number of encoded views for all
    epochs = EPOCHS * 2 / config.views
    if steps:
        # half a step less, so that rounding up never makes one more
        epochs = (steps - 0.5) / max(1, len(images) // config.train.batch_size)
    settings = replace(config.train, epochs=epochs, seed=seed, validations=1)
    batches = (config.batches or ImageBatches)(images, config.view, config.views)
    result = train(model, batches, objective, settings, head=head, procedure=procedure)
    model.collapsed = result.collapsed
    return model, head


def probed(features: Callable[[Images], np.ndarray], parts: Parts) -> float:
    """Accuracy of a linear probe on features of the test part."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features(parts[0]))
    x, y = (scaler.transform(features(part)) for part in parts)
    names = [[str(label) for label in part.labels.tolist()] for part in parts]
    return float((probe(x, names[0], y) == np.array(names[1])).mean())


def accuracy(model: PixelEncoder, parts: Parts, head: nn.Module | None = None) -> float:
    """The same on representations, or on what a head makes of them."""

    def features(images: Images) -> np.ndarray:
        h = model.encode(images.pixels)
        if head is None:
            return h
        with torch.inference_mode():
            return np.asarray(head(torch.from_numpy(h)).numpy())

    return probed(features, parts)


def run_recipe(
    recipe: Recipe = lambda config, images, seed: trained(config, images, seed)[0],
    *,
    start: Start = encoder,
    data: Data = halves,
) -> Run:
    """Trains on the first part, of `data` or of the user's images, and probes on the second."""

    def run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
        from safetensors.torch import save_file

        from counterpoint.files import atomic

        parts = data(0) if source is None else load_images(source).split()
        say(f"{parts[0].source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
        before = accuracy(start(parts[0], 0), parts)
        model = recipe(config, parts[0], 0)
        with atomic(output / "encoder.safetensors") as part:
            save_file(model.state_dict(), part)
        return {"untrained: probe accuracy": before, f"{config.name}: probe accuracy": accuracy(model, parts)}

    return run


run_on_images = run_recipe()
"""For systems that are a config and nothing more."""
