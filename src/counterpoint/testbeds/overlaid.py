"""Digits over other pictures: what targets have beside what backgrounds have, too."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import ImageEncoder
from counterpoint.encoders.joined import Joined
from counterpoint.heads import Halves
from counterpoint.objectives import KernelEntropy
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import CIFAR, SIDE, digit_halves, small_cifar
from counterpoint.testbeds.figures import Vectors, probe_accuracy, projection, representation

STRIPES = 4


def over_stripes(seed: int) -> Parts:
    """Halves of the digits over stripes of four directions; in half of the pictures there is no digit.

    Columns: `label` (the direction), `digit` (-1: none), `target` (whether there is one).
    """
    generator = torch.Generator().manual_seed(seed)

    def over(pixels: Tensor, labels: Tensor) -> Data:
        n, places = len(pixels), torch.arange(8.0)
        pattern = torch.randint(STRIPES, (n,), generator=generator)
        angle, phase = pattern * (math.pi / STRIPES), 2 * math.pi * torch.rand(n, generator=generator)
        across = angle.cos()[:, None, None] * places + angle.sin()[:, None, None] * places[:, None]
        stripes = (1 + (1.5 * across + phase[:, None, None]).sin()) / 2
        return _overlaid(stripes[:, None], pixels, pattern, labels, "digits over stripes")

    train, test = (over(*part) for part in digit_halves(seed))
    return train, test


def over_cifar(seed: int) -> Parts:
    """CIFAR-10 of 16 x 16 pixels; over half of the pictures lies a digit of the same size.

    Columns: `label` (of the picture), `digit` (-1: none), `target` (whether there is one). Digits of the test are
    others than those of training. Source: Louiset et al. 2024, section 4, with MNIST.
    """
    generator, made = torch.Generator().manual_seed(seed), []
    for backgrounds, (digits, labels) in zip(small_cifar(seed), digit_halves(seed), strict=True):
        assert isinstance(backgrounds, Data)
        pixels = backgrounds.anchors.tensor[backgrounds.anchor].float() / 255
        drawn = torch.randint(len(digits), (len(pixels),), generator=generator)
        wide = F.interpolate(digits[drawn], (SIDE, SIDE), mode="bilinear")
        label = backgrounds.columns["label"]
        made.append(_overlaid(pixels, wide, label, labels[drawn], "digits over CIFAR-10"))
    return made[0], made[1]


def _overlaid(backgrounds: Tensor, pixels: Tensor, label: Tensor, digit: Tensor, source: str) -> Data:
    """The mean of both in every second picture, half the background in the others."""
    target = torch.arange(len(pixels)) % 2
    both = (backgrounds + pixels * target[:, None, None, None]) / 2
    known = torch.where(target == 1, digit, -1)
    return Data.alone(Items("image", both), source=source, label=label, digit=known, target=target)


def two_networks(data: Data, seed: int) -> Joined:
    """Two residual networks of 16, 32, 64 channels side by side."""
    del seed
    channels = data.anchors.tensor.shape[1]
    return Joined([ImageEncoder(channels, widths=(16, 32, 64)) for _ in range(2)])


def common(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """The first of two spaces; of a model that has one, that."""
    h = representation(made, data)
    return np.split(h, 2, 1)[0] if isinstance(made.head, Halves) else h


def salient(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """The second of two spaces; of a model that has one, that."""
    h = representation(made, data)
    return np.split(h, 2, 1)[1] if isinstance(made.head, Halves) else h


@cache
def told(column: str, of: Vectors) -> Figure:
    """Probe accuracy of a column among targets, on one of the spaces.

    Examples:
        >>> told("digit", salient).name
        'probe accuracy of digit, salient'
    """

    def measure(made: Made) -> float:
        train, test = (part[part.columns["target"] == 1] for part in (made.train, made.test))
        return probe_accuracy(column, of).of(replace(made, parts=(train, test)))

    return Figure(probe_accuracy(column, of).name, measure)


def _mixed_up(made: Made) -> float:
    chance = {column: 1 / len(made.train.columns[column][1::2].unique()) for column in ("digit", "label")}
    ideal = {("digit", salient): 1.0, ("label", salient): chance["label"]}
    ideal |= {("label", common): 1.0, ("digit", common): chance["digit"]}
    return sum(abs(told(*what).of(made) - wanted) for what, wanted in ideal.items())


mixed_up = Figure("distance from a perfect separation", _mixed_up)
"""How far four probes are from what they should be: each space tells its own attribute at 1 and the other by chance.

0 is perfect; one space for both attributes is at 2 less the chances of both, whatever it tells. Source: Louiset et al.
2024, section 4 (their total of differences).
"""


def _joint(made: Made) -> float:
    with torch.inference_mode():
        return float(KernelEntropy()(torch.from_numpy(projection(made, made.test))))


joint_entropy = Figure("minus the joint entropy of the projections", _joint)
"""By kernel density (`counterpoint.objectives.KernelEntropy`), on the test part."""


OVER_STRIPES = Testbed(
    "digits over stripes",
    over_stripes,
    "scikit-learn digits, half of each class for test, over stripes of four directions, in half of the pictures no "
    "digit; two residual networks of 16, 32, 64 channels side by side from scratch, 30 epochs of two views",
    two_networks,
    epochs=30,
    raw=PIXELS,
)


OVER_CIFAR = Testbed(
    "digits over CIFAR-10",
    over_cifar,
    "CIFAR-10 of 16 x 16 pixels (5,000 pictures, 2,000 for test), over half of them a scikit-learn digit as large; "
    "two residual networks of 16, 32, 64 channels side by side from scratch, 10 epochs of two views, AdamW at 2e-3",
    two_networks,
    epochs=10,
    settings=CIFAR.settings,
    raw=PIXELS,
)
