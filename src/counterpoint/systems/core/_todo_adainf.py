"""AdaInf: with generated data, count real images more and change views less."""

from __future__ import annotations

from torch import nn

from counterpoint.data.images import Images
from counterpoint.data.inflation import generated, inflated
from counterpoint.data.items import Data
from counterpoint.methods import Prepare, Recipe
from counterpoint.procedures import Forget
from counterpoint.systems.core._digits import accuracy, as_rows, halves, pixels_of, run_on_images, trained
from counterpoint.systems.core._recipes import SETUP, STEPS, small
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.views import View, affine, blur, brightness, compose, grey, jitter, noise

TIMES, COPIES = 20, 10


def weak_view() -> View:
    """The same views with half as strong crops, turns and colours."""
    crop = affine(area=(0.7, 1.0), aspect=(3 / 4, 4 / 3), degrees=7.5)
    digit = compose(crop, brightness(0.2), blur((0.1, 1.0)), noise(0.05))
    wide = affine(area=(0.6, 1.0), aspect=(3 / 4, 4 / 3), flip=True)
    picture = compose(wide, jitter(0.25), grey(0.2), blur((0.1, 1.0)))
    return lambda pixels: digit(pixels) if pixels.shape[1] == 1 else picture(pixels)


def inflate(copies: int) -> Prepare:
    """Adds twenty times as many generated images; each real one counts so often."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        real = Images(pixels_of(data), data.columns["label"], data.source)
        return as_rows(inflated(real, generated(real, TIMES * len(real), seed=seed), copies=copies))

    return prepare


def simclr_on(copies: int) -> Recipe:
    """SimCLR with its own views on inflated data, copies as images like all others; 0: on real images alone."""
    steps = (inflate(copies),) if copies else ()
    return small(plain()).varied(f"SimCLR, {copies} copies", procedure=lambda _width: Forget("input"), prepare=steps)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = halves(seed)

    def after(recipe: Recipe) -> float:
        return accuracy(trained(recipe, parts[0], seed)[0], parts)

    weak = small(plain()).varied("SimCLR, weak views", view=weak_view())
    ours, none, vanilla = after(adainf()), after(simclr_on(0)), after(simclr_on(1))
    gains = ours - after(simclr_on(COPIES)), after(weak) - none
    return ((ours, none), (ours, vanilla), gains), {}


@system(
    "AdaInf",
    title="Do Generated Data Always Help Contrastive Learning?",
    year=2024,
    family="core",
    mechanism="tests/systems/test_adainf.py::test_a_batch_holds_real_images_as_often_as_their_copies_say",
    run=run_on_images,
    claims=(
        Claim("Generated data help, adapted", "probe accuracy", "SimCLR on real images, strong views, as many steps"),
        Claim(
            "Copies of real images and weaker views are better than generated data alone",
            "probe accuracy",
            "one copy, strong views",
        ),
        Claim(
            "Generated data and strong views are alternatives",
            "probe accuracy gained by weaker views, with generated data",
            "the same gain without generated data",
        ),
    ),
    measure=_measure,
    setup=SETUP
    + f" {STEPS} steps for all. A mixture of 30 Gaussians on the principal components of 95% of the variance, fitted "
    f"to the training half without labels, stands for the diffusion model; {TIMES} times as many images are drawn as "
    f"there are, real ones count {COPIES} times. Weak views crop 70% to 100% of the area (strong ones from 40%) and "
    "turn, brighten and darken half as much.",
)
def adainf() -> Recipe:
    """Wang et al. 2024: ten copies to twenty times as many generated images, weaker views; SimCLR."""
    return simclr_on(COPIES).varied("AdaInf", view=weak_view())
