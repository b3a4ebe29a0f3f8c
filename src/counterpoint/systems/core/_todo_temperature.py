"""What temperature does: the lower, the more the hardest negatives count, the more uniform and the less tolerant."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.evaluate.geometry import tolerance, uniformity
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._digits import SETUP, accuracy, run_on_images, trained
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

_LOW, _HIGH = 0.1, 1.0


def at(temperature: float) -> Recipe:
    """SimCLR at a temperature."""
    return simclr().varied("SimCLR", objective=lambda: InfoNCE(temperature, layout="views"))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    spread, tolerant, probes = [], [], []
    for temperature in (_LOW, _HIGH):
        model, head = trained(at(temperature), parts[0], seed)
        with torch.inference_mode():
            z = F.normalize(head(torch.from_numpy(model.encode(parts[1].pixels))), dim=1)
        spread.append(uniformity(z))
        tolerant.append(tolerance(z, parts[1].labels))
        probes.append(accuracy(model, parts))
    figures = {f"probe accuracy at {t}": p for t, p in zip((_LOW, _HIGH), probes, strict=True)}
    return ((spread[0], spread[1]), (tolerant[0], tolerant[1])), figures


@system(
    "Temperature analysis",
    title="Understanding the Behaviour of Contrastive Loss",
    year=2021,
    family="core",
    mechanism="tests/systems/test_temperature.py::test_gradient_is_shared_among_negatives_by_their_hardness",
    run=run_on_images,
    claims=(
        Claim(
            "A low temperature gives a more uniform embedding",
            f"uniformity of test embeddings at temperature {_LOW}",
            f"temperature {_HIGH}",
            "lower",
        ),
        Claim(
            "A low temperature is less tolerant of the same class",
            f"tolerance of test embeddings at temperature {_LOW}",
            f"temperature {_HIGH}",
            "lower",
        ),
    ),
    measure=_measure,
    setup=SETUP + " Embeddings are those the loss is taken on, after the head.",
)
def temperature_analysis() -> Recipe:
    """Wang and Liu 2021: SimCLR at a temperature between the extremes, 0.3."""
    return at(0.3).varied("Temperature analysis")
