"""Pictures to which something is done that one knows of: pairs that are none, marks that are easy to tell."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.data.items import Data
from counterpoint.testbeds.bed import PIXELS, Parts, Testbed
from counterpoint.testbeds.beds import halves, network, small_cifar, small_network
from counterpoint.testbeds.figures import PICTURES

FINE, NOISE, ANOTHERS = 0, 1, 2
"""What a row's second view is of: itself, noise (and so is the first), another picture."""
_EACH = 0.1
_DRAWN = 3000
EPOCHS = 16


def flagged(train: Data, seed: int) -> Data:
    """With a column `pair` that says of a tenth of the rows `NOISE`, of another `ANOTHERS`."""
    drawn = torch.rand(len(train), generator=torch.Generator().manual_seed(seed))
    pair = (drawn < 2 * _EACH).long() + (drawn < _EACH).long()
    return replace(train, columns={**train.columns, "pair": pair})


def partner(data: Data, seed: int) -> Int[Tensor, " n"]:
    """Whose picture the second view of each row is of."""
    n = len(data)
    # any other row: moved on by 1 to n - 1
    other = (torch.arange(n) + torch.randint(1, n, (n,), generator=torch.Generator().manual_seed(seed))) % n
    return torch.where(data.columns["pair"] == ANOTHERS, other, torch.arange(n))


def planted_digits(seed: int) -> Parts:
    """Digits, a fifth of whose pairs will be none."""
    train, test = halves(seed)
    return flagged(train, seed), test


def planted_cifar(seed: int) -> Parts:
    """The first 3,000 of CIFAR-10's drawn pictures likewise."""
    train, test = small_cifar(seed)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return flagged(train[order[:_DRAWN]], seed), test


_PLANTED = (
    "a tenth of the training pairs are two pictures of noise, another tenth have a second view of another picture"
)
PLANTED_DIGITS = Testbed(
    "digits with bad pairs",
    planted_digits,
    f"scikit-learn digits, half of each class for test; {_PLANTED}; a residual network of 16, 32, 64 channels from "
    f"scratch, {EPOCHS} epochs of two views",
    small_network,
    epochs=EPOCHS,
    raw=PIXELS,
    figures=PICTURES,
)
PLANTED = Testbed(
    "CIFAR-10 with bad pairs",
    planted_cifar,
    f"CIFAR-10 brought to 16 x 16, {_DRAWN:,} training pictures drawn by the seed, 2,000 for test; {_PLANTED}; a "
    f"residual network of 32, 64, 128 channels from scratch, {EPOCHS} epochs of two views, AdamW at 2e-3",
    network,
    epochs=EPOCHS,
    settings={"learning_rate": 2e-3, "weight_decay": 1e-4, "dtype": "auto", "chunk_tokens": 1 << 24},
    raw=PIXELS,
    figures=PICTURES,
)
