"""AdaInf: with generated data, count real images more and change views less."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Prepare, Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Forget
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import probe_accuracy, rank
from counterpoint.testbeds.weak import MORE_SCARCE, SCARCE, drawn, further
from counterpoint.views import View, affine, blur, brightness, compose, grey, jitter, noise

TEMPERATURE, TIMES, COPIES = 0.2, 20, 10
FEW_COPIES = 5  # where there are nine times as many


def head(width: int) -> nn.Module:
    """Wide and without BatchNorm, as the authors' projector."""
    return projection(width, hidden=(8 * width,), out=2 * width)


def weak_view() -> View:
    """The least crop 2.5 times as large, colours changed half as much and half as often; grey, blur, flips stay."""
    crop = affine(area=(0.7, 1.0), aspect=(3 / 4, 4 / 3), degrees=7.5)
    digit = compose(crop, brightness(0.2), blur((0.1, 1.0)), noise(0.05))
    wide = affine(area=(0.5, 1.0), aspect=(3 / 4, 4 / 3), flip=True)
    picture = compose(wide, jitter(0.25, p=0.4), grey(0.2), blur((0.1, 1.0)))
    return lambda pixels: digit(pixels) if pixels.shape[1] == 1 else picture(pixels)


def _forget(_width: int) -> Forget:
    return Forget("input")


def of(name: str, *prepare: Prepare) -> Recipe:
    """SimCLR as theirs; copies of an image are images like all others."""
    objective = partial(InfoNCE, TEMPERATURE, layout="views")
    return simclr().varied(name, objective=objective, head=head, procedure=_forget, prepare=prepare)


def adainf() -> Recipe:
    """Wang et al. 2024: ten copies to twenty times as many generated images, weaker views."""
    return of("AdaInf", drawn(TIMES, COPIES)).varied("AdaInf", view=weak_view())


def real() -> Recipe:
    """Real images alone."""
    return of("SimCLR")


def real_weak() -> Recipe:
    """Real images alone, weaker views: as if a generator gave them again."""
    return of("SimCLR, weak views").varied("SimCLR, weak views", view=weak_view())


def good() -> Recipe:
    """AdaInf with a perfect generator."""
    return of("AdaInf, real data", further(FEW_COPIES)).varied("AdaInf, perfect generator", view=weak_view())


def good_strong() -> Recipe:
    """The same with strong views."""
    return of("AdaInf, strong views", further(FEW_COPIES))


def good_once() -> Recipe:
    """A perfect generator's data and each real image once, strong views."""
    return of("SimCLR, inflated", further(1))


_CEILING = Richer(Trained(real), MORE_SCARCE)
_ADAPTED = Trained(good)
system(
    "AdaInf",
    title="Do Generated Data Always Help Contrastive Learning?",
    year=2024,
    family="core",
    mechanism="tests/systems/test_adainf.py::test_a_batch_holds_real_images_as_often_as_their_copies_say",
    claims=(
        Claim(
            "Generated data help, adapted",
            probe_accuracy(),
            "SimCLR on real images, strong views, as many steps",
            SCARCE,
            Trained(real),
            system=_ADAPTED,
            off=Trained(real_weak),
            ceiling=_CEILING,
        ),
        Claim(
            "Copies of real images and weaker views are better than generated data alone",
            probe_accuracy(),
            "one copy, strong views",
            SCARCE,
            Trained(good_once),
            system=_ADAPTED,
            ceiling=_CEILING,
        ),
        Claim(
            "With generated data weaker views are better",
            probe_accuracy(),
            "strong views of the same",
            SCARCE,
            Trained(good_strong),
            system=_ADAPTED,
            ceiling=_CEILING,
        ),
        Claim(
            "Without generated data stronger views are better",
            probe_accuracy(),
            "weaker views of real images alone",
            SCARCE,
            Trained(real_weak),
            system=Trained(real),
            ceiling=_CEILING,
        ),
        Claim(
            "Data of a generator fitted to the real images help, adapted",
            probe_accuracy(),
            "SimCLR on real images, strong views, as many steps",
            SCARCE,
            Trained(real),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(rank, off=Trained(real_weak)),
    setup="1,000 pictures are real. 9,000 others of CIFAR-10, without labels, are what a perfect generator would draw, "
    f"in place of a diffusion model, and real ones count {FEW_COPIES} times: about the share that {COPIES} copies have "
    f"of {TIMES} times as many. The last claim is on a mixture of Gaussians on principal components, a far simpler "
    "generator than theirs. As many steps for all, some fifty passes over the real pictures where these are all there "
    "is, and 17 beside generated ones; the paper has 500. Strong views crop from 0.2 of a picture on and weak ones "
    "from 0.5 (theirs from 0.08 and 0.2), and change colours half as much as theirs; the head has 1,024 hidden units "
    "(2,048 there).",
)(adainf)
