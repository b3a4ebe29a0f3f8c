"""One system against another on digits: the same encoder, views and steps; trained once, measured as often as asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.evaluate import equal_error_rate, knn
from counterpoint.evaluate.geometry import effective_rank, mean_cosine
from counterpoint.methods import Recipe
from counterpoint.systems.core._digits import Data, Metric, Parts, accuracy, halves, trained
from counterpoint.systems.registry import Figures, Measure, Pair

Make: TypeAlias = Callable[[], Recipe]


def long_tail(seed: int, ratio: float = 0.05) -> Parts:
    """The same with classes that grow rarer in training, from all of the first to `ratio` of the last."""
    train, test = halves(seed)
    generator = torch.Generator().manual_seed(seed)
    kept = []
    for label in range(10):
        rows = (train.labels == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        kept.append(rows[: max(2, round(len(rows) * ratio ** (label / 9)))])
    return train[torch.cat(kept)], test


@cache
def fitted(make: Make, seed: int, data: Data = halves) -> tuple[PixelEncoder, nn.Module]:
    """Encoder and head after training; kept, since several systems have the same baseline."""
    return trained(make(), data(seed)[0], seed)


def probe_accuracy(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """Of a linear probe on the representation."""
    del head
    return accuracy(model, parts)


def knn_accuracy(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """Of the 5 nearest neighbours by cosine in the representation."""
    del head
    train, test = (model.encode(part.pixels) for part in parts)
    names = [[str(label) for label in part.labels.tolist()] for part in parts]
    found = knn(train, names[0], test, k=5)
    return sum(str(a) == b for a, b in zip(found, names[1], strict=True)) / len(names[1])


def verification_error(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """Equal error rate of "same class" by the cosine of two test images."""
    del head
    z = F.normalize(torch.from_numpy(model.encode(parts[1].pixels)), dim=1)
    i, j = torch.triu_indices(len(z), len(z), 1)
    labels = parts[1].labels
    return equal_error_rate((z @ z.T)[i, j].numpy(), (labels[i] == labels[j]).numpy())


def projected(model: PixelEncoder, head: nn.Module, images: Images) -> Tensor:
    """What the loss is taken on."""
    with torch.inference_mode():
        z: Tensor = head(torch.from_numpy(model.encode(images.pixels)))
    return z


def spread(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """Effective rank of what the loss is taken on, on test images."""
    return effective_rank(F.normalize(projected(model, head, parts[1]), dim=1), center=True)


def deviation(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """Standard deviation of the unit vectors that the loss is taken on, on test images: 0 if all are the same.

    The mean over dimensions, times the root of their number: 1 if the vectors are spread evenly. Source: Chen and He
    2021, "Exploring Simple Siamese Representation Learning", section 4.1.
    """
    z = F.normalize(projected(model, head, parts[1]), dim=1)
    return float(z.std(0).mean() * math.sqrt(z.shape[1]))


def versus(ours: Make, *baselines: Make, metric: Metric = probe_accuracy, data: Data = halves) -> Measure:
    """Measures one claim a baseline: the same figure of `ours` and of it."""
    return claims(*((metric, ours, theirs) for theirs in baselines), data=data)


def claims(*pairs: tuple[Metric, Make, Make], data: Data = halves) -> Measure:
    """Measures one claim for each metric, system and baseline.

    A claim has no verdict where the system ended in a collapse, or the baseline, unless the metric is how far the
    vectors are spread. Beside such a metric stands the mean cosine, which does not hide a collapse.
    """

    def measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
        parts, measured, figures = data(seed), list[Pair](), dict[str, float]()
        for metric, *arms in pairs:
            spreads = metric in (spread, deviation)
            values, said = list[float](), ""
            for make in arms:
                model, head = fitted(make, seed, data)
                values.append(metric(model, head, parts))
                name = make().name
                if spreads:
                    cosine = mean_cosine(projected(model, head, parts[1]))
                    figures[f"mean cosine of the projection, {name}"] = cosine
                if model.collapsed and not said and not (spreads and len(values) == 2):
                    said = f"{name}: {model.collapsed}"
            measured.append((values[0], values[1], said))
        return tuple(measured), figures

    return measure
