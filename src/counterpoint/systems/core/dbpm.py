"""DBPM: pairs whose loss is always too low, or always too high, are probably none, and lose their weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.inputs import take
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import BadPairs, InfoNCE
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Figure, Made, Trained
from counterpoint.testbeds import figures as of
from counterpoint.testbeds.marked import ANOTHERS, EPOCHS, FINE, NOISE, PLANTED, PLANTED_DIGITS, partner

TEMPERATURE = 0.2
WARMUP = EPOCHS * 50 // 80
_SAMPLES = 60_000


def paired(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Each picture with the one that its column `pair` says; of data without such a column nothing is changed."""
    del encoder
    if "pair" not in data.columns:
        return data
    pixels = take(data.anchors.tensor, data.anchor)
    assert isinstance(pixels, Tensor)
    noise = (data.columns["pair"] == NOISE)[:, None, None, None]
    drawn = torch.rand(2, *pixels.shape, generator=torch.Generator().manual_seed(seed))
    sides = zip(drawn, (pixels, pixels[partner(data, seed)]), strict=True)
    first, second = (torch.where(noise, z, x) for z, x in sides)
    every = torch.arange(len(data))
    return Data(Items("image", first), every, Items("image", second), every[:, None], source=data.source)


def good_only(data: Data, encoder: nn.Module, seed: int) -> Data:
    """What is left if one knows which pairs are bad."""
    del encoder, seed
    return data[data.columns["pair"] == FINE]


def two_layers(width: int) -> nn.Module:
    """The authors' head: one hidden layer of twice the width, no BatchNorm."""
    return projection(width, hidden=(2 * width,))


def mined() -> BadPairs:
    """NT-Xent of a pair, mined as the authors do: warm-up of 50 epochs in 80, two standard deviations."""
    return BadPairs(InfoNCE(TEMPERATURE, layout="views"), _SAMPLES, epochs=EPOCHS, warmup=WARMUP)


def all_pairs() -> Recipe:
    """The baseline: SimCLR, which trusts every pair."""
    return simclr(TEMPERATURE).varied("SimCLR on all pairs", head=two_layers, prepare=(paired,)).changed(epochs=EPOCHS)


def dbpm() -> Recipe:
    """Lan et al. 2024 on NT-Xent."""
    return all_pairs().varied("DBPM", objective=mined)


def known() -> Recipe:
    """What could be reached: the bad pairs are known and left out."""
    return all_pairs().varied("SimCLR on good pairs", prepare=(good_only, paired))


def _drawn_together(made: Made) -> float:
    data = made.train
    z = torch.nn.functional.normalize(torch.from_numpy(of.projection(made, data)), dim=1)
    bad = data.columns["pair"] == ANOTHERS
    return float((z * z[partner(data, made.seed)]).sum(1)[bad].mean())


system(
    "DBPM",
    title="Towards Enhancing Time Series Contrastive Learning: A Dynamic Bad Pair Mining Approach",
    year=2023,
    family="core",
    mechanism="tests/systems/test_dbpm.py::test_loss_follows_the_history_of_a_naive_loop",
    sample=PLANTED_DIGITS,
    claims=(
        Claim(
            "Pairs that look bad, weighed down, improve the representation",
            of.probe_accuracy(),
            "SimCLR on all pairs alike",
            PLANTED,
            Trained(all_pairs),
            ceiling=Trained(known),
        ),
        Claim(
            "So do the neighbours",
            of.knn_accuracy(),
            "SimCLR on all pairs alike",
            PLANTED,
            Trained(all_pairs),
            ceiling=Trained(known),
        ),
    ),
    signal=Signal(Figure("cosine of pairs that do not belong together", _drawn_together), off=Trained(all_pairs)),
    setup="Pictures with bad pairs that are known stand in for the paper's time series, whose bad pairs nobody "
    f"knows. Warm-up of {WARMUP} of {EPOCHS} epochs, as the authors' 50 of 80; mean losses weighed by epoch, "
    f"thresholds of two standard deviations (their script's defaults; their run on ECG has three above), temperature "
    f"{TEMPERATURE} and a head without BatchNorm as in their code. A bad pair's weight is at most 1, where theirs may "
    "be more. The ceiling leaves the bad pairs out, in as many steps.",
)(dbpm)
