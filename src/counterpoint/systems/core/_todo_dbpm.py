"""DBPM: pairs whose loss is always too low, or always too high, are probably none, and lose their weight."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import BadPairs, InfoNCE
from counterpoint.systems.core._digits import SETUP, Parts, halves, pixels_of, run_on_images
from counterpoint.systems.core._versus import claims, knn_accuracy, probe_accuracy
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system

_SAMPLES = 60_000
_PLANTED = Takes("image", columns=("other",))


def planted(seed: int) -> Parts:
    """Digits of which a tenth is noise and has other noise for a pair, and a fifth is paired with another image.

    Column `other`: the row of the second picture, and for noise -1.
    """
    train, test = halves(seed)
    generator = torch.Generator().manual_seed(seed)
    drawn, own = torch.rand(len(train), generator=generator), torch.arange(len(train))
    other = torch.randint(len(train), (len(train),), generator=generator)
    return replace(train, columns={"other": torch.where(drawn < 0.1, -1, torch.where(drawn < 0.3, other, own))}), test


def paired(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Each picture with the one that its column `other` says; or noise with noise."""
    del encoder
    pixels, other = pixels_of(data), data.columns["other"]
    noise = (other < 0)[:, None, None, None]
    drawn = torch.rand(2, *pixels.shape, generator=torch.Generator().manual_seed(seed))
    first, second = (torch.where(noise, z, x) for z, x in zip(drawn, (pixels, pixels[other.clamp_min(0)]), strict=True))
    every = torch.arange(len(data))
    return Data(Items("image", first), every, Items("image", second), every[:, None], source=data.source)


def all_pairs() -> Recipe:
    """The baseline: SimCLR, which trusts every pair."""
    return plain().varied("SimCLR on all pairs", takes=_PLANTED, prepare=(paired,))


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
def dbpm() -> Recipe:
    """Lan et al. 2024 on NT-Xent: a warm-up of five losses."""
    mined = lambda: BadPairs(InfoNCE(0.5, layout="views"), _SAMPLES, warmup=5, noisy=1.0, faulty=1.0)  # noqa: E731
    return plain().varied("DBPM", objective=mined)


def planted_dbpm() -> Recipe:
    """The same on planted pairs."""
    return dbpm().varied("DBPM", takes=_PLANTED, prepare=(paired,))
