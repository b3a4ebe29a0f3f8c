"""Pictures whose labels are coarser than what is asked: what else is learned of them?"""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.items import Data
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.beds import CIFAR, DIGITS, halves, small_cifar
from counterpoint.testbeds.figures import probe_accuracy

VEHICLES = (0, 1, 8, 9)
"""Of CIFAR-10: airplane, automobile, ship, truck; all others are animals."""


def coarser(data: Data, first: tuple[int, ...]) -> Data:
    """Labels say whether the class is one of these; column `fine` says which class.

    Examples:
        >>> from counterpoint.testbeds import DIGITS
        >>> data = coarser(DIGITS.parts(0)[0], (0, 1))
        >>> sorted(set(data.columns["fine"][data.columns["label"] == 0].tolist()))
        [0, 1]
    """
    fine = data.columns["label"]
    label = (~torch.isin(fine, torch.tensor(first))).long()
    return replace(data, columns={**data.columns, "label": label, "fine": fine}, classes=())


def vehicles_or_animals(seed: int) -> Parts:
    """CIFAR-10 of 16 x 16 pixels with two labels."""
    return _both(small_cifar(seed), VEHICLES)


def low_or_high(seed: int) -> Parts:
    """Digits with two labels: below 5, or not."""
    return _both(halves(seed), (0, 1, 2, 3, 4))


def _both(parts: Parts, first: tuple[int, ...]) -> Parts:
    train, test = parts
    assert isinstance(test, Data)
    return coarser(train, first), coarser(test, first)


COARSE_CIFAR = replace(
    CIFAR,
    name="CIFAR-10, two labels",
    parts=vehicles_or_animals,
    about=CIFAR.about + "; labels are vehicle or animal, probes are for the ten classes",
    figures=(probe_accuracy("fine"),),
)
COARSE_DIGITS = replace(
    DIGITS,
    name="digits, two labels",
    parts=low_or_high,
    about=DIGITS.about + "; labels are below 5 or not, probes are for the ten digits",
    figures=(probe_accuracy("fine"),),
)
