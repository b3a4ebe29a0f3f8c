"""Training on a part of the pictures: as many steps whatever the part, probes fitted on all."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.beds import CIFAR
from counterpoint.testbeds.figures import projection


def _classified(made: Made) -> float:
    said = torch.from_numpy(projection(made, made.test)).argmax(1)
    return float((said == made.test.columns["label"]).float().mean())


classified = Figure("accuracy of its own classifier", _classified)
"""Of a head of logits, one a class."""
SUBSETS = replace(
    CIFAR,
    name="CIFAR-10, parts",
    about=CIFAR.about.replace("15 epochs of two views (fewer where there are more views)", "200 steps of 256 pictures"),
    epochs=0,
    steps=200,
)
