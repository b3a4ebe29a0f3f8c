"""Many latent classes, from which similar points are drawn: Omniglot's characters, with drawers held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.evaluate import collision, mean_classifier_loss, mean_classifier_on_two
from counterpoint.geometry import Dot
from counterpoint.negatives.blocks import draw_blocks
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import MeanOfBlocks
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import network
from counterpoint.testbeds.figures import labels, representation
from counterpoint.testbeds.pictures import omniglot

CHARACTERS = 136
_HELD, _DRAWS = 6, 20_000


def drawers(seed: int) -> Parts:
    """All characters; six of the twenty drawers are the test."""
    both = omniglot(0)
    items = Items.cat([part.anchors for part in both])
    columns = {name: torch.cat([part.columns[name] for part in both]) for name in both[0].columns}
    whole = Data(items, torch.arange(len(items)), columns=columns, source="Omniglot")
    held = torch.randperm(20, generator=torch.Generator().manual_seed(seed))[:_HELD]
    test = torch.isin(columns["drawer"], held)
    return whole[~test], whole[test]


def unsupervised_loss(z: Float[Tensor, "n d"], classes: Int[Tensor, " n"], size: int, seed: int) -> float:
    """`L_un` of blocks, logarithms to base 2, where the classes' points are these; over many draws.

    Source: Arora et al. 2019, definition 2.3 and section 6.2.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        anchors = torch.randint(len(z), (_DRAWS,))
        positive, negative = draw_blocks(classes, anchors, size)
        keys = torch.cat([z[positive].flatten(0, 1), z[negative].flatten(0, 1)])
        call = MeanOfBlocks().change({"queries": Points(z[anchors]), "keys": Points(keys)})
        return float(InfoNCE(1.0, geometry=Dot())(**call)) / math.log(2)


def _on_two(made: Made) -> float:
    x, y = representation(made, made.train), representation(made, made.test)
    return mean_classifier_on_two(x, labels(made.train), y, labels(made.test))


def _loss(made: Made) -> float:
    return mean_classifier_loss(representation(made, made.test), labels(made.test))


@cache
def bound(size: int) -> Figure:
    """`(L_un - tau) / (1 - tau)` of test items, in blocks of this size, which no mean classifier's loss exceeds.

    Source: Arora et al. 2019, lemma 4.3; for blocks proposition 6.2.
    """
    return Figure(f"bound by blocks of {size}", _bound(size))


def _bound(size: int) -> Callable[[Made], float]:
    def measure(made: Made) -> float:
        z = torch.from_numpy(np.asarray(representation(made, made.test)))
        tau = collision(labels(made.test))
        return (unsupervised_loss(z, made.test.columns["label"], size, made.seed) - tau) / (1 - tau)

    return measure


on_two = Figure("accuracy of the mean classifier on two classes", _on_two)
mean_loss = Figure("loss of the mean classifier on two classes", _loss)
LATENT = Testbed(
    "Omniglot, drawers",
    drawers,
    f"Omniglot ({CHARACTERS} characters by 20 drawers, 28 x 28), six drawers for test; a residual network of 32, 64, "
    "128 channels (GroupNorm, standardised weights) from scratch, 150 steps, AdamW at 2e-3; no views",
    network,
    steps=150,
    settings={"learning_rate": 2e-3, "weight_decay": 1e-4, "dtype": "auto", "chunk_tokens": 1 << 24},
    raw=PIXELS,
)
