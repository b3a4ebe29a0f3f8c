"""What systems that learn from labels share: a short training on digits, and classes that training never sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from counterpoint.data.images import Images, digits
from counterpoint.data.items import Data
from counterpoint.encoders.image import ImageEncoder, PixelEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import nearest_mean
from counterpoint.methods import Prepare, Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._digits import Parts
from counterpoint.training import TrainConfig
from counterpoint.views import affine, brightness, compose, noise

WIDTH, CLASSES, KNOWN, STEPS, BATCH = 64, 10, 5, 100, 64
SETUP = (
    "scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a residual network of 8, 16, 64 "
    f"channels from scratch, {STEPS} steps of {BATCH} images in two views each, AdamW at 2e-3. Views: crop and resize "
    "(70% to 100% of the area, 10 degrees), brightness and contrast, noise."
)
TRAIN = TrainConfig(
    steps=STEPS, batch_size=BATCH, learning_rate=2e-3, weight_decay=1e-4, dtype="float32", validations=1
)


def base() -> Recipe:
    """What all of them start from; the objective is another one in each."""
    view = compose(affine(area=(0.7, 1.0), aspect=(3 / 4, 4 / 3), degrees=10.0), brightness(0.3), noise(0.05))
    return Recipe("labelled", (Stage(InfoNCE, TRAIN, view=view),), labelled(), start)


def labelled(*columns: str) -> Takes:
    """Pictures with labels, and whatever else must be known of them."""
    return Takes("image", schemas=("labelled",), columns=columns)


def start(data: Data, seed: int) -> ImageEncoder:
    """The start."""
    del seed
    return ImageEncoder(data.anchors.tensor.shape[1], widths=(8, 16, WIDTH))


def at_most(classes: int) -> Prepare:
    """Refuses data of more classes than a system has."""

    def check(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        found = 1 + int(data.columns["label"].max())
        if found > classes:
            raise InputError(f"{found} classes, and the system has {classes}", fix="give images of fewer classes")
        return data

    return check


def novel(seed: int) -> Parts:
    """Training images of five classes drawn by the seed, 0 to 4; and all others, of novel classes 5 to 9, too."""
    number = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(seed))
    train, test = (replace(part, labels=number[part.labels]) for part in digits().split(seed=seed))
    known = train.labels < KNOWN
    rest = train[~known]
    return train[known], replace(
        test, pixels=torch.cat([test.pixels, rest.pixels]), labels=torch.cat([test.labels, rest.labels])
    )


def features(model: PixelEncoder, images: Images) -> tuple[np.ndarray, list[str]]:
    """Representations and classes."""
    return model.encode(images.pixels), [str(label) for label in images.labels.tolist()]


def novel_accuracy(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """Of the nearest class mean among novel classes, whose means are taken of half of their images."""
    del head
    support, queries = parts[1][parts[1].labels >= KNOWN].split()
    (z, names), (x, truth) = features(model, support), features(model, queries)
    return float((nearest_mean(z, names, x) == np.array(truth)).mean())


def joint_accuracy(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """The same among known and novel classes together; means of known classes are of their training images."""
    del head
    held, new = (parts[1][rows] for rows in (parts[1].labels < KNOWN, parts[1].labels >= KNOWN))
    support, queries = new.split()
    z, names = zip(features(model, parts[0]), features(model, support), strict=True)
    x, truth = zip(features(model, held), features(model, queries), strict=True)
    # mypy takes what zip makes of pairs for objects
    said = nearest_mean(np.concatenate(z), [*names[0], *names[1]], np.concatenate(x))  # type: ignore[arg-type, misc]
    return float((said == np.array([*truth[0], *truth[1]])).mean())  # type: ignore[misc]
