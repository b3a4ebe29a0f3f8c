"""Fine-tuning: few pictures of classes that pre-training has not seen."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import OWN_RATE, halves, network, small_cifar, small_network
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.starts import contrasted


def tuning(seed: int) -> Parts:
    """CIFAR-10 of 16 x 16: 250 pictures each of five classes drawn by the seed to learn from, the test of these."""
    return _of_half(small_cifar(seed), seed, first=True, most=250)


def more_tuning(seed: int) -> Parts:
    """The same with all pictures of these classes, some 500 each: what could be reached."""
    return _of_half(small_cifar(seed), seed, first=True)


def tuning_digits(seed: int) -> Parts:
    """Five classes of digits, 20 training pictures each."""
    return _of_half(halves(seed), seed, first=True, most=20)


def _of_half(parts: Parts, seed: int, *, first: bool, most: int = 1 << 30) -> tuple[Data, Data]:
    """Rows of the first or the last five of ten classes in an order drawn by the seed, renumbered."""
    number = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    made = []
    for part, limit in zip(parts, (most, 1 << 30), strict=True):
        assert isinstance(part, Data)
        label = number[part.columns["label"]] - (0 if first else 5)
        rows = [(label == each).nonzero()[:limit, 0] for each in range(5)]
        chosen = torch.cat(rows).sort().values
        made.append(replace(part[chosen], columns={"label": label[chosen]}, classes=()))
    return made[0], made[1]


def pretrained(data: Data, seed: int) -> nn.Module:
    """A network that SimCLR has trained on the five other classes of CIFAR-10, 20 epochs; it sees none of `data`."""
    del data
    return contrasted(_of_half(small_cifar(seed), seed, first=False)[0], network, 20, seed)


def pretrained_on_digits(data: Data, seed: int) -> nn.Module:
    """A small network that SimCLR has trained on the five other classes of digits, 10 epochs."""
    del data
    return contrasted(_of_half(halves(seed), seed, first=False)[0], small_network, 10, seed)


def _class_margin(made: Made) -> float:
    z, y = F.normalize(torch.from_numpy(representation(made, made.test)), dim=1), made.test.columns["label"]
    cosine, alike = z @ z.T, y[:, None] == y
    apart = ~torch.eye(len(y), dtype=torch.bool)
    return float(cosine[alike & apart].mean() - cosine[~alike].mean())


class_margin = Figure("mean cosine within classes less that between them", _class_margin)


TUNING = Testbed(
    "CIFAR-10, five classes",
    tuning,
    "CIFAR-10 brought to 16 x 16, 250 pictures each of five classes drawn by the seed, their 1,000 for test; a "
    "residual network of 32, 64, 128 channels that SimCLR has trained for 20 epochs on the five other classes (2,500 "
    "pictures), 40 epochs of one view (20 of two), AdamW at the method's rate",
    pretrained,
    epochs=20,
    settings=OWN_RATE,
    raw=PIXELS,
)


MORE_TUNING = replace(TUNING, name="CIFAR-10, five classes, more", parts=more_tuning)
"""Twice the pictures and steps."""


TUNING_DIGITS = Testbed(
    "digits, five classes",
    tuning_digits,
    "scikit-learn digits, 20 pictures each of five classes, half of their pictures for test; a small residual "
    "network that SimCLR has trained for 10 epochs on the five other classes, 40 epochs of one view",
    pretrained_on_digits,
    epochs=20,
    raw=PIXELS,
)
