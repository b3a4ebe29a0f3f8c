"""Testbeds: small, real data that raw input does not solve, with a start, a budget and what is measured there."""

from counterpoint.testbeds.bed import (
    PIXELS,
    Arm,
    Figure,
    Given,
    Made,
    Make,
    Parts,
    Richer,
    Seen,
    Testbed,
    Trained,
    Tuned,
    Untrained,
)
from counterpoint.testbeds.beds import CIFAR, DIGITS, MORE_CIFAR, OMNIGLOT, PACS, RARER_CIFAR
from counterpoint.testbeds.pictures import PICTURES, pictures

__all__ = [
    "CIFAR",
    "DIGITS",
    "MORE_CIFAR",
    "OMNIGLOT",
    "PACS",
    "PICTURES",
    "PIXELS",
    "RARER_CIFAR",
    "Arm",
    "Figure",
    "Given",
    "Made",
    "Make",
    "Parts",
    "Richer",
    "Seen",
    "Testbed",
    "Trained",
    "Tuned",
    "Untrained",
    "pictures",
]
