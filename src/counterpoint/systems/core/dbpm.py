"""DBPM: pairs whose loss is always too low, or always too high, are probably none, and lose their weight."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.config import Config
from counterpoint.data.images import Images
from counterpoint.objectives import BadPairs, InfoNCE
from counterpoint.systems.core._digits import SETUP, Parts, halves, run_on_images
from counterpoint.systems.core._versus import claims, knn_accuracy, probe_accuracy
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system
from counterpoint.training import Payload
from counterpoint.views import ImageBatches, View

_SAMPLES = 60_000


class PlantedBatches(ImageBatches):
    """Batches in which some pairs are bad, as the images' column `bad` says.

    1: both views are noise; 2: the second view is of the image in the column `other`.
    """

    def __init__(self, images: Images, view: View, views: int = 2) -> None:
        super().__init__(images, view, views)
        self._all = images

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The pairs of these images, good and bad."""
        payload, view = super().payload(rows, among), self._view
        bad, n = self._all.columns["bad"][rows], len(rows)
        first, second = payload.inputs.clone().split(n)
        other = view(self._all.pixels[self._all.columns["other"][rows]])
        second = torch.where((bad == 2)[:, None, None, None], other, second)
        noise = (bad == 1)[:, None, None, None]
        both = [torch.where(noise, torch.rand_like(side), side) for side in (first, second)]
        return replace(payload, inputs=torch.cat(both))


def planted(seed: int) -> Parts:
    """Digits of which a tenth has noise for a pair, and a fifth a view of another image."""
    train, test = halves(seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(len(train), generator=generator)
    other = torch.randint(len(train), (len(train),), generator=generator)
    bad = torch.where(drawn < 0.1, 1, torch.where(drawn < 0.3, 2, 0))
    return replace(train, columns={"bad": bad, "other": other}), test


def all_pairs() -> Config:
    """The baseline: SimCLR, which trusts every pair."""
    return replace(plain(), name="SimCLR on all pairs", batches=PlantedBatches)


@system(
    "DBPM",
    title="Towards Enhancing Time Series Contrastive Learning: A Dynamic Bad Pair Mining Approach",
    year=2023,
    family="core",
    mechanism="tests/systems/test_dbpm.py::test_weights_follow_the_history_as_by_hand",
    run=run_on_images,
    claims=(
        Claim("Pairs that look bad, weighed down, improve the representation", "probe accuracy", "all pairs alike"),
        Claim("So do the neighbours", "5-nearest-neighbour accuracy", "all pairs alike"),
    ),
    measure=claims(
        (probe_accuracy, lambda: planted_dbpm(), all_pairs),
        (knn_accuracy, lambda: planted_dbpm(), all_pairs),
        data=planted,
    ),
    setup=SETUP + " Digits stand in for time series. A tenth of the training pairs are two pictures of noise, a fifth "
    "have a second view of another image. Thresholds of one standard deviation, since so many are bad.",
)
def dbpm() -> Config:
    """Lan et al. 2024 on NT-Xent: a warm-up of five losses."""
    mined = lambda: BadPairs(InfoNCE(0.5, layout="views"), _SAMPLES, warmup=5, noisy=1.0, faulty=1.0)  # noqa: E731
    return replace(plain(), name="DBPM", objective=mined)


def planted_dbpm() -> Config:
    """The same on planted pairs."""
    return replace(dbpm(), batches=PlantedBatches)
