"""AdaInf: with generated data, count real images more and change views less."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.config import Config
from counterpoint.data.images import Images, digits
from counterpoint.data.inflation import generated, inflated
from counterpoint.encoders.image import PixelEncoder
from counterpoint.systems.core._digits import accuracy, view
from counterpoint.systems.core._recipes import SETUP, STEPS, fit, run_recipe
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


def inflate_and_fit(config: Config, images: Images, seed: int) -> PixelEncoder:
    """With twenty times as many generated images, each real one ten times."""
    more = generated(images, TIMES * len(images), seed=seed)
    return fit(config, inflated(images, more, copies=COPIES), seed)[0]


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    real, more = parts[0], generated(parts[0], TIMES * len(parts[0]), seed=seed)
    strong, weak = replace(plain(), view=view()), adainf()

    def after(config: Config, images: Images) -> float:
        return accuracy(fit(config, images, seed)[0], parts)

    adaptive = inflated(real, more, copies=COPIES)
    ours, none, vanilla = after(weak, adaptive), after(strong, real), after(strong, inflated(real, more))
    gains = ours - after(strong, adaptive), after(weak, real) - none
    return ((ours, none), (ours, vanilla), gains), {}


@system(
    "AdaInf",
    title="Do Generated Data Always Help Contrastive Learning?",
    year=2024,
    family="core",
    mechanism="tests/systems/test_adainf.py::test_a_batch_holds_real_images_as_often_as_their_copies_say",
    run=run_recipe(inflate_and_fit),
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
def adainf() -> Config:
    """Wang et al. 2024: ten copies to twenty times as many generated images, weaker views; SimCLR."""
    return replace(plain(), name="AdaInf", view=weak_view())
