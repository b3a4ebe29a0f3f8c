"""The testbeds that families share."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from counterpoint.data.images import digits
from counterpoint.data.items import Data, Items
from counterpoint.data.row_splits import split_classes
from counterpoint.encoders.image import ImageEncoder
from counterpoint.testbeds.bed import PIXELS, Parts, Testbed
from counterpoint.testbeds.figures import PICTURES
from counterpoint.testbeds.pictures import cifar10, omniglot, pacs

SIDE = 16
_DRAWN = 5000


def halves(seed: int) -> Parts:
    """Digits, half of each class for test."""
    train, test = (
        Data.alone(Items("image", pixels), source="digits", label=label) for pixels, label in digit_halves(seed)
    )
    return train, test


def digit_halves(seed: int) -> list[tuple[Tensor, Tensor]]:
    """Pixels and labels of the digits for training, and of those for test."""
    parts = split_classes(digits(), seed=seed)
    return [(part.anchors.tensor[part.anchor], part.columns["label"]) for part in parts]


def small_cifar(seed: int) -> Parts:
    """CIFAR-10 brought to 16 x 16: 5,000 training pictures drawn by the seed, and the test part."""
    train, test = _whole()
    drawn = np.sort(np.random.default_rng(seed).permutation(len(train))[:_DRAWN])
    return train[torch.from_numpy(drawn)], test


def all_of_cifar(seed: int) -> Parts:
    """The same with all training pictures that there are."""
    del seed
    return _whole()


def rarer_cifar(seed: int, ratio: float = 0.05) -> Parts:
    """The same with classes that grow rarer in training, from all of the first to `ratio` of the last."""
    train, test = small_cifar(seed)
    generator, labels = torch.Generator().manual_seed(seed), train.columns["label"]
    order, kept = torch.randperm(10, generator=generator).tolist(), []
    for place, label in enumerate(order):
        rows = (labels == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        kept.append(rows[: max(2, round(len(rows) * ratio ** (place / 9)))])
    return train[torch.cat(kept)], test


def alphabets(seed: int) -> Parts:
    """Omniglot of 28 x 28 pixels: whole alphabets are the test."""
    return omniglot(seed)


def domains(seed: int) -> Parts:
    """PACS of 32 x 32 pixels: the domain number `seed % 4` is the test; what is drawn beside follows the seed."""
    return pacs(seed)


def small_network(data: Data, seed: int) -> ImageEncoder:
    """A residual network of 16, 32, 64 channels."""
    del seed
    return ImageEncoder(data.anchors.tensor.shape[1], widths=(16, 32, 64))


def network(data: Data, seed: int) -> ImageEncoder:
    """A residual network of 32, 64, 128 channels, GroupNorm of two groups with standardised weights.

    Its stem halves the picture: SimCLR is then as good on small CIFAR-10 in a third of the time.
    """
    del seed
    channels = data.anchors.tensor.shape[1]
    return ImageEncoder(channels, widths=(32, 64, 128), groups=2, stride=2, standardized=True)


_NETWORK = "a residual network of 32, 64, 128 channels (a stem of stride 2, GroupNorm, standardised weights)"
_FAST = {"learning_rate": 2e-3, "weight_decay": 1e-4, "dtype": "auto", "chunk_tokens": 1 << 24}
OWN_RATE = {name: value for name, value in _FAST.items() if name != "learning_rate"}
"""The settings of these testbeds where each method has a learning rate of its own."""
DIGITS = Testbed(
    "digits",
    halves,
    "scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a residual network of 16, 32, 64 "
    "channels from scratch, 30 epochs of two views",
    small_network,
    epochs=30,
    raw=PIXELS,
    figures=PICTURES,
)
CIFAR = Testbed(
    "CIFAR-10",
    small_cifar,
    f"CIFAR-10 brought to {SIDE} x {SIDE}, {_DRAWN:,} training pictures drawn by the seed, 2,000 for test; {_NETWORK} "
    "from scratch, 15 epochs of two views (fewer where there are more views), AdamW at 2e-3",
    network,
    epochs=15,
    settings=_FAST,
    raw=PIXELS,
    figures=PICTURES,
)
MORE_CIFAR = Testbed(
    "CIFAR-10, all",
    all_of_cifar,
    "the same with 10,000 training pictures and 30 epochs",
    network,
    epochs=30,
    settings=_FAST,
    raw=PIXELS,
    figures=PICTURES,
)
RARER_CIFAR = Testbed(
    "CIFAR-10, long tail",
    rarer_cifar,
    f"CIFAR-10 brought to {SIDE} x {SIDE}, 5,000 training pictures of which classes keep from all to a twentieth (in "
    f"an order drawn by the seed), 2,000 balanced ones for test; {_NETWORK} from scratch, 30 epochs of two views, "
    "AdamW at 2e-3",
    network,
    epochs=30,
    settings=_FAST,
    raw=PIXELS,
    figures=PICTURES,
)
OMNIGLOT = Testbed(
    "Omniglot",
    alphabets,
    f"Omniglot (136 characters by 20 drawers, 28 x 28), two of five alphabets for test; {_NETWORK} from scratch, 20 "
    "epochs of two views, AdamW at 2e-3",
    network,
    epochs=20,
    settings=_FAST,
    raw=PIXELS,
)
PACS = Testbed(
    "PACS",
    domains,
    f"PACS (1,200 pictures of six classes in four domains, 32 x 32), one domain for test, by turns; {_NETWORK} from "
    "scratch, 30 epochs of two views, AdamW at 2e-3",
    network,
    epochs=30,
    settings=_FAST,
    raw=PIXELS,
)


@cache
def _whole() -> Parts:
    train, test = cifar10(0, most=1 << 30)
    return _smaller(train), _smaller(test)


def _smaller(data: Data) -> Data:
    pixels = F.interpolate(data.anchors.tensor.float(), (SIDE, SIDE), mode="area").round().byte()
    return Data.alone(Items("image", pixels), source=data.source, classes=data.classes, **data.columns)
