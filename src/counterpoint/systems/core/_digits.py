"""Digits as the image systems share them: the same split, start, views, training and probes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.images import Images, digits, load_images
from counterpoint.data.items import Data as Rows
from counterpoint.data.items import Items
from counterpoint.data.sources import load_source, source_kind
from counterpoint.encoders.image import ImageEncoder, PixelEncoder
from counterpoint.encoders.inputs import take
from counterpoint.evaluate import probe
from counterpoint.methods import Recipe
from counterpoint.systems.registry import Figures, Run, Say
from counterpoint.training import TrainConfig
from counterpoint.views import View, affine, blur, brightness, compose, grey, jitter, noise

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
Metric: TypeAlias = Callable[[PixelEncoder, nn.Module, Parts], float]
"""From an encoder, its head and the parts to a figure."""


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


def encoder(data: Rows, seed: int) -> ImageEncoder:
    """The start."""
    del seed
    return ImageEncoder(data.anchors.tensor.shape[1], widths=(16, 32, 64))


def training(views: int = 2) -> TrainConfig:
    """The loop's settings: as many encoded views in all, however many of an image a batch has."""
    return TrainConfig(
        epochs=EPOCHS * 2 / views,
        batch_size=256,
        learning_rate=1e-3,
        weight_decay=1e-4,
        dtype="float32",
        validations=1,
    )


def as_rows(images: Images) -> Rows:
    """Each image a row, with its label and all that is known of it."""
    items = Items("image", images.pixels, images.names)
    return Rows.alone(items, source=images.source, classes=images.classes, label=images.labels, **images.columns)


def pixels_of(data: Rows) -> Float[Tensor, "n c h w"]:
    """The picture of each row, from 0 to 1."""
    pixels = take(data.anchors.tensor, data.anchor)
    assert isinstance(pixels, Tensor)
    return pixels


def trained(recipe: Recipe, images: Images, seed: int) -> tuple[PixelEncoder, nn.Module]:
    """An encoder that a recipe makes of images, and the head of its last stage."""
    made, last = list[nn.Module](), recipe.stages[-1].head

    def head(width: int) -> nn.Module:
        made.append(nn.Identity() if last is None else last(width))
        return made[-1]

    model, result = recipe.varied(recipe.name, head=head).make(as_rows(images), seed)
    assert isinstance(model, PixelEncoder)
    model.collapsed = result.collapsed
    return model, made[-1]


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


def untrained(recipe: Recipe, parts: Parts, seed: int) -> float:
    """Accuracy of a probe on the start."""
    model = recipe.started(as_rows(parts[0]), seed)
    assert isinstance(model, PixelEncoder)
    return accuracy(model, parts)


def given(recipe: Recipe, source: str | None, data: Data = halves) -> Parts:
    """What a recipe runs on: the user's pictures, or else small included data.

    Raises:
        InputError: The user's data are no pictures, or not what it takes.
    """
    if source is None:
        return data(0)
    if source_kind(source) != "pictures":
        recipe.takes.refuse(load_source(source).data, recipe.name)
    parts = load_images(source).split()
    recipe.takes.refuse(as_rows(parts[0]), recipe.name)
    return parts


def run_on(data: Data = halves, metric: Metric | None = None, what: str = "probe accuracy") -> Run:
    """Trains on the first part, of `data` or of the user's images, and measures on the second; by a probe, if not else.

    The encoder is left in the folder.
    """

    def run(recipe: Recipe, source: str | None, output: Path, say: Say) -> Figures:
        from safetensors.torch import save_file

        from counterpoint.files import atomic

        parts = given(recipe, source, data)
        say(f"{parts[0].source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
        figures = {} if metric else {f"untrained: {what}": untrained(recipe, parts, 0)}
        model, head = trained(recipe, parts[0], 0)
        with atomic(output / "encoder.safetensors") as part:
            save_file(model.state_dict(), part)
        found = metric(model, head, parts) if metric else accuracy(model, parts)
        return {**figures, f"{recipe.name}: {what}": found}

    return run


run_on_images = run_on()
"""For systems that need nothing but pictures, and perhaps their labels."""
