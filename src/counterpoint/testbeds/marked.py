"""Pictures to which something is done that one knows of: pairs that are none, marks that are easy to tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import ImageEncoder, Perceptron
from counterpoint.encoders.inputs import take
from counterpoint.testbeds.bed import PIXELS, Given, Parts, Testbed
from counterpoint.testbeds.beds import halves, network, small_cifar, small_network
from counterpoint.testbeds.figures import PICTURES, probe_accuracy
from counterpoint.testbeds.pictures import omniglot

FINE, NOISE, ANOTHERS = 0, 1, 2
"""What a row's second view is of: itself, noise (and so is the first), another picture."""
_EACH = 0.15
_DRAWN = 3000
EPOCHS = 16
_STEPS = 176


def flagged(train: Data, seed: int) -> Data:
    """With a column `pair` that says of 15% of the rows `NOISE`, of as many `ANOTHERS`."""
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
    """Digits, three in ten of whose pairs will be none."""
    train, test = halves(seed)
    return flagged(train, seed), test


def planted_cifar(seed: int) -> Parts:
    """The first 3,000 of CIFAR-10's drawn pictures likewise."""
    train, test = small_cifar(seed)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return flagged(train[order[:_DRAWN]], seed), test


_PLANTED = "15% of the training pairs are two pictures of noise, as many have a second view of another picture"
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
    f"residual network of 32, 64, 128 channels from scratch, {_STEPS} steps ({EPOCHS} epochs of all pairs), AdamW at "
    "2e-3",
    network,
    steps=_STEPS,
    settings={"learning_rate": 2e-3, "weight_decay": 1e-4, "dtype": "auto", "chunk_tokens": 1 << 24},
    raw=PIXELS,
    figures=PICTURES,
)


CODE, SIDE = 16, 14
_DRAWERS = 6


def new_drawers(seed: int) -> Parts:
    """Omniglot of 14 x 14 pixels, all characters; six of the twenty drawers are the test."""
    parts = omniglot(seed, size=SIDE)
    pixels, label, drawer = (
        torch.cat([part.anchors.tensor if name == "pixels" else part.columns[name] for part in parts])
        for name in ("pixels", "label", "drawer")
    )
    held = torch.randperm(20, generator=torch.Generator().manual_seed(seed))[:_DRAWERS]
    test = torch.isin(drawer - drawer.min(), held)
    made = [
        Data.alone(Items("image", pixels[rows]), source="Omniglot", label=label[rows], drawer=drawer[rows])
        for rows in (~test, test)
    ]
    return made[0], made[1]


class Components:
    """The principal components of training pictures: as wide as a code, and nothing is learned but that.

    Examples:
        >>> train, test = halves(0)
        >>> Components(train, 3).encode_items(test.anchors).shape
        (898, 3)
    """

    def __init__(self, train: Data, number: int = CODE) -> None:
        from sklearn.decomposition import PCA

        self.found = PCA(number, random_state=0).fit(_flat(train.anchors[train.anchor]))

    def encode_items(self, items: Items, *, kind: str | None = None) -> Float[np.ndarray, "n d"]:
        """Of each picture."""
        del kind
        return np.asarray(self.found.transform(_flat(items)), np.float32)


def components(parts: Parts) -> Components:
    """Those of the training part."""
    return Components(parts[0])


def perceptron(data: Data, seed: int) -> Perceptron:
    """Of 256 and 64 units, on pixels."""
    del seed
    return Perceptron(data.anchors.tensor[0].numel())


def _flat(items: Items) -> Float[np.ndarray, "n p"]:
    pixels = take(items.tensor, torch.arange(len(items)))
    assert isinstance(pixels, Tensor)
    return pixels.flatten(1).numpy()


_CODES = f"a perceptron of 256 and 64 units from scratch and codes of {CODE}"
_COMPONENTS = Given(f"{CODE} principal components", components)
CODED_DIGITS = Testbed(
    "coded digits",
    halves,
    f"scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; {_CODES}, 50 epochs",
    perceptron,
    epochs=25,
    raw=_COMPONENTS,
)
CODED = Testbed(
    "coded characters",
    new_drawers,
    f"Omniglot (136 characters, {SIDE} x {SIDE}), six of twenty drawers for test; {_CODES}, 400 epochs, AdamW at 1e-3",
    perceptron,
    epochs=200,
    raw=_COMPONENTS,
)


MARKS = 16


def with_marks(data: Data, seed: int) -> Data:
    """With one more channel, one of sixteen marks by chance: four corners, bright or dark. Column `mark`."""
    pixels = take(data.anchors.tensor, data.anchor)
    assert isinstance(pixels, Tensor)
    mark = torch.randint(MARKS, (len(data),), generator=torch.Generator().manual_seed(seed))
    bits = ((mark[:, None] >> torch.arange(4)) & 1).view(-1, 1, 2, 2).float()
    half = pixels.shape[-1] // 2
    corners = bits.repeat_interleave(half, 2).repeat_interleave(half, 3)
    items = Items("image", torch.cat([pixels, corners], 1))
    return Data.alone(items, source=data.source, classes=data.classes, **data.columns, mark=mark)


def marked_digits(seed: int) -> Parts:
    """Digits under marks."""
    train, test = halves(seed)
    assert isinstance(test, Data)
    return with_marks(train, seed), with_marks(test, seed + 1)


def marked_cifar(seed: int) -> Parts:
    """CIFAR-10 under marks."""
    train, test = small_cifar(seed)
    assert isinstance(test, Data)
    return with_marks(train, seed), with_marks(test, seed + 1)


def narrow(data: Data, seed: int) -> ImageEncoder:
    """A residual network of 16, 32, 64 channels, GroupNorm of two groups with standardised weights."""
    del seed
    return ImageEncoder(data.anchors.tensor.shape[1], widths=(16, 32, 64), groups=2, standardized=True)


def broad(data: Data, seed: int) -> ImageEncoder:
    """The same with three times as many dimensions at the end."""
    del seed
    return ImageEncoder(data.anchors.tensor.shape[1], widths=(16, 32, 192), groups=2, standardized=True)


_FIGURES = (probe_accuracy(), probe_accuracy("mark"))
_MARKED = (
    f"each under one of {MARKS} marks in a channel of its own; residual networks of 16, 32, 64 channels from scratch"
)
MARKED_DIGITS = Testbed(
    "marked digits",
    marked_digits,
    f"scikit-learn digits, half of each class for test, {_MARKED}, 10 epochs a stage",
    narrow,
    epochs=10,
    figures=_FIGURES,
)
MARKED = Testbed(
    "marked CIFAR-10",
    marked_cifar,
    f"CIFAR-10 brought to 16 x 16, 5,000 training pictures drawn by the seed, 2,000 for test, {_MARKED}, 10 epochs of "
    "two views a stage, AdamW at 2e-3",
    narrow,
    epochs=10,
    settings={"learning_rate": 2e-3, "weight_decay": 1e-4, "dtype": "auto", "chunk_tokens": 1 << 24},
    raw=PIXELS,
    figures=_FIGURES,
)
