"""Digits turned by known angles: pictures whose number is to be told."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import digit_halves, small_network
from counterpoint.testbeds.figures import Vectors, projection, representation

WIDEST = 90


def turned(pixels: Float[Tensor, "n c h w"], degrees: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """Each image turned anticlockwise by its angle, bilinearly, dark where nothing was."""
    angle = degrees * (math.pi / 180)
    zero = torch.zeros_like(angle)
    theta = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def angles(seed: int, times: int = 1) -> Parts:
    """Halves of the digits, each image turned by 0 to 90 degrees (column `angle`), in training so many times."""
    generator = torch.Generator().manual_seed(seed)

    def turn(pixels: Tensor, labels: Tensor) -> Data:
        angle = torch.randint(0, WIDEST + 1, (len(pixels),), generator=generator)
        items = Items("image", turned(pixels, angle.float()))
        return Data.alone(items, source="turned digits", label=labels, angle=angle)

    (pixels, labels), test = digit_halves(seed)
    held = turn(*test)
    return turn(pixels.repeat(times, 1, 1, 1), labels.repeat(times)), held


def more_angles(seed: int) -> Parts:
    """The same with every training image at four angles."""
    return angles(seed, 4)


@cache
def absolute_error(column: str) -> Figure:
    """Mean absolute error of a ridge regression on representations, fitted on the training part.

    Its penalty is the best of seven there, leaving one out.

    Args:
        column: The number that it tells.
    """

    def measure(made: Made) -> float:
        from sklearn.linear_model import RidgeCV

        x, y = ([representation(made, part), part.columns[column].numpy()] for part in (made.train, made.test))
        scale = x[0].std()  # of all dimensions together: pixels that hardly vary must not become large
        said = RidgeCV(np.logspace(-3, 3, 7)).fit(x[0] / scale, x[1]).predict(y[0] / scale)
        return float(np.abs(said - y[1]).mean())

    return Figure(f"mean absolute error of the {column}", measure)


@cache
def ordered(column: str, of: Vectors = projection) -> Figure:
    """How well the cosines of test items follow their nearness in a number: Spearman's correlation over all pairs."""

    def measure(made: Made) -> float:
        from scipy.stats import spearmanr

        z = F.normalize(torch.from_numpy(of(made, made.test)), dim=1)
        y = made.test.columns[column].float()
        i, j = torch.triu_indices(len(z), len(z), 1)
        return float(spearmanr((z @ z.T)[i, j].numpy(), -(y[i] - y[j]).abs().numpy()).statistic)

    return Figure(f"correlation of cosines with nearness in {column}", measure)


_TURNED = (
    f"scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test, each turned by 0 to {WIDEST} degrees"
)


ANGLES = Testbed(
    "turned digits",
    angles,
    f"{_TURNED}, the angle to be told; a residual network of 16, 32, 64 channels from scratch, 30 epochs of two views",
    small_network,
    epochs=30,
    raw=PIXELS,
    figures=(absolute_error("angle"),),
)


MORE_ANGLES = Testbed(
    "turned digits, four times",
    more_angles,
    "the same with every training image at four angles, 15 epochs",
    small_network,
    epochs=15,
    raw=PIXELS,
    figures=(absolute_error("angle"),),
)
