"""Two digits side by side, of which a part may be hidden: pictures that a model should be uncertain of."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import Perceptron
from counterpoint.objectives import HedgedMatch
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import digit_halves
from counterpoint.testbeds.figures import projection
from counterpoint.views import View


def two_digits(seed: int) -> Parts:
    """Two digits side by side, 8 x 16 pixels: 2,000 of the training half, 1,000 of the test half.

    In every second picture of the test a square of one of them is black (column `hidden`). The label is the number that
    both make. Source: Oh et al. 2019, section 4.1, with MNIST.
    """
    generator, made = torch.Generator().manual_seed(seed), []
    for n, (digits, labels), hides in zip((2000, 1000), digit_halves(seed), (False, True), strict=True):
        drawn = torch.randint(len(digits), (2, n), generator=generator)
        pixels = torch.cat([digits[rows] for rows in drawn], 3)
        hidden = (torch.arange(n) % 2) * int(hides)
        which = F.one_hot(torch.randint(2, (n,), generator=generator), 2)
        label = 10 * labels[drawn[0]] + labels[drawn[1]]
        items = Items("image", covered(pixels, hidden[:, None] * which == 1, generator))
        made.append(Data.alone(items, source="two digits", label=label, hidden=hidden))
    return made[0], made[1]


def covered(
    pixels: Float[Tensor, "n c h w"], hidden: Bool[Tensor, "n 2"], generator: torch.Generator | None = None
) -> Float[Tensor, "n c h w"]:
    """Of the left and the right half of each picture, if it is to be hidden, a square is black.

    Its side is from 1 to all that fits into the half, each as likely, and it lies anywhere within.

    Examples:
        >>> shown = covered(torch.ones(1, 1, 4, 8), torch.tensor([[False, True]]))[0, 0]
        >>> bool((shown[:, :4] == 1).all()), bool((shown[:, 4:] == 0).any())
        (True, True)
    """
    n, (high, wide) = len(pixels), pixels.shape[2:]
    half = max(1, wide // 2)
    side = torch.randint(1, min(high, half) + 1, (n, 2), generator=generator)
    down, across = torch.rand(2, n, 2, generator=generator)
    top = (down * (high + 1 - side)).long()
    left = (across * (half + 1 - side)).long() + torch.tensor([0, half])
    y, x = (
        (torch.arange(length) >= first[..., None]) & (torch.arange(length) < (first + side)[..., None])
        for first, length in ((top, high), (left, wide))
    )
    black = y[..., :, None] & x[..., None, :] & hidden[..., None, None]
    return pixels.masked_fill(black.any(1, keepdim=True), 0)


def hide_digits(share: float) -> View:
    """A view: of each of two digits a square is black with this chance."""

    def view(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return covered(pixels, torch.rand(len(pixels), 2) < share)

    return view


def perceptron(data: Data, seed: int) -> Perceptron:
    """A perceptron of 512, 256 and 128 units."""
    del seed
    return Perceptron(data.anchors.tensor[0].numel(), hidden=(512, 256), dim=128)


def match(made: Made, queries: Data, keys: Data) -> Float[Tensor, "n m"]:
    """How sure a model is that two items match: the logarithm of HIB's probability, or minus the distance.

    With the scale and bias that were learned.
    """
    learned = _learned(made)
    x, y = (torch.from_numpy(projection(made, part)) for part in (queries, keys))
    if learned is None:
        return -torch.cdist(x, y)
    with torch.inference_mode():
        x, y = learned.prepare(x), learned.prepare(y)
        return torch.cat([learned.shared(part, y, 1.0) for part in x.split(50)])


def uncertainties(made: Made, data: Data) -> Float[np.ndarray, " n"]:
    """`1 - p(match)` of each item with itself (Oh et al. 2019, section 3.4), over all pairs of 64 draws."""
    learned = _learned(made)
    assert learned is not None
    # of points every draw is the same
    geometry = HedgedMatch(64 if learned.samples else 0, scale=learned.log_scale.exp().item(), bias=learned.bias.item())
    with torch.inference_mode():
        x, y = (geometry.prepare(torch.from_numpy(projection(made, data))) for _ in range(2))
        log_p = torch.cat([geometry.owned(a[None], b[None, None], 1.0)[0] for a, b in zip(x, y, strict=True)])
    return (1 - log_p.exp()).numpy()


def _learned(made: Made) -> HedgedMatch | None:
    parts = [] if made.objective is None else list(made.objective.modules())
    return next((part for part in parts if isinstance(part, HedgedMatch)), None)


def _hidden(data: Data, value: int | None) -> Data:
    return data if value is None else data[data.columns["hidden"] == value]


_NAMES = {0: "clean pictures", 1: "corrupted pictures", None: "pictures"}


@cache
def verified(hidden: int) -> Figure:
    """Average precision of "same class" over all pairs of test items that are corrupted (1) or not (0)."""

    def measure(made: Made) -> float:
        from sklearn.metrics import average_precision_score

        data = _hidden(made.test, hidden)
        i, j = torch.triu_indices(len(data), len(data), 1)
        y = data.columns["label"]
        return float(average_precision_score((y[i] == y[j]).numpy(), match(made, data, data)[i, j].numpy()))

    return Figure(f"verification average precision, {_NAMES[hidden]}", measure)


def _identified(made: Made, data: Data, k: int = 5) -> tuple[Tensor, Tensor]:
    """Whether most of the training items that match best are of an item's class, and how sure the best match is."""
    top = match(made, data, made.train).topk(k)
    votes = F.one_hot(made.train.columns["label"][top.indices]).sum(1)
    # of classes with as many votes, that of the better matches
    votes = votes + F.one_hot(made.train.columns["label"][top.indices[:, 0]], votes.shape[1]) / 2
    return votes.argmax(1) == data.columns["label"], top.values[:, 0]


@cache
def identified(hidden: int) -> Figure:
    """Accuracy of the five best matches among training items, for test items that are corrupted (1) or not (0)."""

    def measure(made: Made) -> float:
        return float(_identified(made, _hidden(made.test, hidden))[0].float().mean())

    return Figure(f"5-nearest-neighbour accuracy, {_NAMES[hidden]}", measure)


@cache
def uncertainty(hidden: int) -> Figure:
    """Mean uncertainty of test items that are corrupted (1) or not (0)."""

    def measure(made: Made) -> float:
        return float(uncertainties(made, _hidden(made.test, hidden)).mean())

    return Figure(f"uncertainty of {_NAMES[hidden]}", measure)


def _uncertainty_spread(made: Made) -> float:
    return float(uncertainties(made, made.test).std())


uncertainty_spread = Figure("standard deviation of the uncertainty", _uncertainty_spread)


def _tau(made: Made) -> float:
    from scipy.stats import kendalltau

    right, _ = _identified(made, made.test)
    return float(kendalltau(-uncertainties(made, made.test), right.numpy()).statistic)


foresight = Figure("Kendall's tau of certainty with being identified", _tau)
"""Source: Oh et al. 2019, section 4.4."""


def _tau_of_best(made: Made) -> float:
    from scipy.stats import kendalltau

    right, best = _identified(made, made.test)
    return float(kendalltau(best.numpy(), right.numpy()).statistic)


foresight_by_distance = Figure("Kendall's tau of the best match with being identified", _tau_of_best)
"""What any embedding can say of its certainty: how near the nearest is."""


TWO_DIGITS = Testbed(
    "two digits",
    two_digits,
    "two scikit-learn digits side by side (100 classes, 8 x 16; 2,000 pictures), another 1,000 of the digits' other "
    "part for test, in every second of which a square of one digit is black, of any side up to all of it; a perceptron "
    "of 512, 256 and 128 units from scratch, 60 epochs of two views, in each of which either digit loses such a square "
    "with a chance of 0.2",
    perceptron,
    epochs=60,
    raw=PIXELS,
)
