"""Digits as the image systems share them: the same split, start, views, training and probes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from counterpoint.config import Config
from counterpoint.data.images import Images, load_images
from counterpoint.encoders.image import ImageEncoder
from counterpoint.evaluate import probe
from counterpoint.systems.registry import Figures, Say
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


def trained(config: Config, images: Images, seed: int) -> tuple[ImageEncoder, nn.Module]:
    """The start, trained as a config says; and its head."""
    model = encoder(images, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Identity() if config.head is None else config.head(model.dim)
        procedure = None if config.procedure is None else config.procedure(model.dim)
        objective = config.objective()
    assert config.view is not None
    # the same number of encoded views for all
    settings = replace(config.train, epochs=EPOCHS * 2 / config.views, seed=seed, validations=1)
    batches = (config.batches or ImageBatches)(images, config.view, config.views)
    train(model, batches, objective, settings, head=head, procedure=procedure)
    return model, head


def accuracy(model: ImageEncoder, parts: tuple[Images, Images], head: nn.Module | None = None) -> float:
    """Of a linear probe on representations, or on what a head makes of them."""
    from sklearn.preprocessing import StandardScaler

    def features(images: Images) -> np.ndarray:
        h = model.encode(images.pixels)
        if head is None:
            return h
        with torch.inference_mode():
            return np.asarray(head(torch.from_numpy(h)).numpy())

    scaler = StandardScaler().fit(features(parts[0]))
    x, y = (scaler.transform(features(part)) for part in parts)
    names = [[str(label) for label in part.labels.tolist()] for part in parts]
    return float((probe(x, names[0], y) == np.array(names[1])).mean())


def run_on_images(
    config: Config, source: str | None, output: Path, say: Say, *, included: tuple[Images, Images] | None = None
) -> Figures:
    """Train on half of the images, the included ones (digits) or the user's, and probe on the other half."""
    from safetensors.torch import save_file

    from counterpoint.files import atomic

    parts = load_images("digits" if source is None else source).split()
    if source is None and included is not None:
        parts = included
    say(f"{parts[0].source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
    before = accuracy(encoder(parts[0], 0), parts)
    model, _ = trained(config, parts[0], 0)
    with atomic(output / "encoder.safetensors") as part:
        save_file(model.state_dict(), part)
    return {"untrained: probe accuracy": before, f"{config.name}: probe accuracy": accuracy(model, parts)}
