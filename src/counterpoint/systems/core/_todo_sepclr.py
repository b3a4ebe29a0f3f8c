"""SepCLR: what target images share with background images in one space, what only they have in another."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import PixelEncoder
from counterpoint.evaluate import probe
from counterpoint.geometry import Dot, Euclidean
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import Alignment, KernelEntropy, Objective, Part, Shrink, Uniformity
from counterpoint.systems.core._digits import Metric, run_on
from counterpoint.systems.core._labelled import SETUP, base
from counterpoint.systems.core._versus import claims, projected
from counterpoint.systems.registry import Claim, system

SPACE, PATTERNS = 16, 4


class Spaces(nn.Module):
    """Two spaces side by side: the common one on the sphere, the salient one as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = projection(width, hidden=(width,), out=2 * SPACE)

    def forward(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n s"]:
        """`[c / |c|, s]`."""
        common, salient = self.network(h).chunk(2, 1)
        return torch.cat([F.normalize(common, dim=1), salient], 1)


def patterned(seed: int) -> tuple[Images, Images]:
    """Halves of the digits over stripes of four directions (column `pattern`); in half of the images there is no digit.

    Column `target`: whether there is one.
    """
    generator = torch.Generator().manual_seed(seed)

    def over(images: Images) -> Images:
        n, places = len(images), torch.arange(8.0)
        pattern, target = torch.randint(PATTERNS, (n,), generator=generator), torch.arange(n) % 2
        angle, phase = pattern * (math.pi / PATTERNS), 2 * math.pi * torch.rand(n, generator=generator)
        across = angle.cos()[:, None, None] * places + angle.sin()[:, None, None] * places[:, None]
        stripes = (1 + (1.5 * across + phase[:, None, None]).sin()) / 2
        pixels = stripes[:, None] / 2 + images.pixels * target[:, None, None, None] / 2
        return replace(images, pixels=pixels, columns={"pattern": pattern, "target": target})

    train, test = digits().split(seed=seed)
    return over(train), over(test)


def held(column: str | None) -> Metric:
    """Accuracy of a linear probe on the salient space, or on all of a smaller one: of the digit, or of a column."""

    def metric(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
        from sklearn.preprocessing import StandardScaler

        targets = [part[part.columns["target"] == 1] for part in parts]
        x, y = (projected(model, head, part)[:, -SPACE:].numpy() for part in targets)
        names = [[str(v) for v in (t.labels if column is None else t.columns[column]).tolist()] for t in targets]
        scaler = StandardScaler().fit(x)
        return float((probe(scaler.transform(x), names[0], scaler.transform(y)) == np.array(names[1])).mean())

    return metric


salient_digit, salient_pattern = held(None), held("pattern")


def separated(*, independent: bool) -> Objective:
    """Alignment and uniformity of each space, no salience in backgrounds, and minus the joint entropy of both."""
    common = Part(Alignment(geometry=Dot()) + 2 * Uniformity(1.0), 0, SPACE)
    # half of the images are targets, so twice the mean over all of them
    salient = 2 * Alignment(geometry=Dot()) + 2 * Uniformity(1.0, geometry=Euclidean(squared=True))
    loss = common + 10 * Part(salient, SPACE, silent="target") + 10 * Part(Shrink("target"), SPACE)
    return loss + 10 * KernelEntropy() if independent else loss


def without_entropy() -> Recipe:
    """Nothing keeps the spaces from saying the same."""
    return sepclr().varied("SepCLR without k-JEM", objective=lambda: separated(independent=False))


def one_space() -> Recipe:
    """Alignment and uniformity in one space of the salient one's size."""
    return sepclr().varied(
        "one space",
        objective=lambda: Alignment() + 2 * Uniformity(1.0),
        head=lambda width: projection(width, hidden=(width,), out=SPACE),
    )


@system(
    "SepCLR",
    title="Separating common from salient patterns with Contrastive Representation Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_sepclr.py::test_loss_is_that_of_a_naive_loop_over_both_spaces",
    variants={"SepCLR without k-JEM": without_entropy},
    run=run_on(patterned, salient_digit, "accuracy of digits by the salient space"),
    claims=(
        Claim(
            "The salient space tells what only targets have, better than one space of its size",
            "accuracy of a linear probe of digits on the salient space",
            "alignment and uniformity in one space",
        ),
        Claim(
            "It tells less of what backgrounds have, too",
            "accuracy of a linear probe of stripes on the salient space",
            "alignment and uniformity in one space",
            "lower",
        ),
        Claim(
            "The joint entropy keeps the background out of it",
            "accuracy of a linear probe of stripes on the salient space",
            "the same without joint entropy",
            "lower",
        ),
    ),
    measure=claims(
        (salient_digit, lambda: sepclr(), one_space),
        (salient_pattern, lambda: sepclr(), one_space),
        (salient_pattern, lambda: sepclr(), without_entropy),
        data=patterned,
    ),
    setup=SETUP
    + f" Every image is stripes of one of {PATTERNS} directions, in every second one with a digit over them (the "
    f"targets), half and half. Two spaces of {SPACE} dimensions on one head instead of two encoders; weights of 10 for "
    "the salient terms and the joint entropy, which is taken on the salient space as it is, backgrounds with it.",
)
def sepclr() -> Recipe:
    """Louiset et al. 2024: alignment and uniformity in both spaces, and k-JEM, equation 8, between them."""
    return base().varied(
        "SepCLR", takes=Takes("image", columns=("target",)), objective=lambda: separated(independent=True), head=Spaces
    )
