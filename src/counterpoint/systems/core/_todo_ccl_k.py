"""CCL-K: a kernel on what is known of the samples says who is a positive, or a fair negative."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import KernelConditional
from counterpoint.systems.core._digits import SETUP, Parts, accuracy, halves, run_on
from counterpoint.systems.core._versus import fitted, probe_accuracy
from counterpoint.systems.core.decoupled_uniformity import with_attribute
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system


@cache
def with_frame(seed: int) -> Parts:
    """Digits of which a random half has a bright border, which says nothing of the class; known as `frame`."""
    generator = torch.Generator().manual_seed(seed)

    def framed(images: Images) -> Images:
        frame = torch.rand(len(images), generator=generator) < 0.5
        border = torch.ones_like(images.pixels[0])
        border[:, 1:-1, 1:-1] = 0
        pixels = torch.where(frame[:, None, None, None], images.pixels.maximum(0.7 * border), images.pixels)
        return replace(images, pixels=pixels, columns={"frame": frame.long()})

    train, test = halves(seed)
    return framed(train), framed(test)


def frame_accuracy(model: PixelEncoder, head: nn.Module, parts: Parts) -> float:
    """How well a linear probe tells who has a frame."""
    del head
    train, test = (replace(part, labels=part.columns["frame"], classes=()) for part in parts)
    return accuracy(model, (train, test))


def fair() -> Recipe:
    """Negatives that share the sensitive attribute: telling them apart cannot use it."""
    return simclr().varied(
        "CCL-K, fair", takes=Takes("image", columns=("frame",)), objective=lambda: _loss("frame", "negative")
    )


def _loss(column: str, role: str) -> KernelConditional:
    kind = "positive" if role == "positive" else "negative"
    return KernelConditional(column, 0.5, role=kind, width=1.0, ridge=0.1)  # type: ignore[arg-type]


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    known, framed = with_attribute(seed), with_frame(seed)
    weak = [probe_accuracy(*fitted(c, seed, with_attribute), known) for c in (ccl_k, simclr)]
    models = [fitted(c, seed, with_frame) for c in (fair, simclr)]
    leak = [frame_accuracy(*m, framed) for m in models]
    figures = {
        f"probe accuracy, {n}": probe_accuracy(*m, framed) for n, m in zip(("fair", "SimCLR"), models, strict=True)
    }
    return ((weak[0], weak[1]), (leak[0], leak[1])), figures


@system(
    "CCL-K",
    title="Conditional Contrastive Learning with Kernel",
    year=2022,
    family="core",
    mechanism="tests/systems/test_ccl_k.py::test_losses_are_those_of_the_weights_by_inversion",
    variants={"CCL-K, fair": fair},
    run=run_on(with_attribute),
    claims=(
        Claim("Weak supervision by an attribute improves the representation", "probe accuracy", "SimCLR"),
        Claim(
            "Negatives that share a sensitive attribute make the representation forget it",
            "accuracy of a probe for the attribute",
            "SimCLR",
            "lower",
        ),
    ),
    measure=_measure,
    setup=SETUP
    + " The weak attribute is whether a digit has a loop (0, 6, 8, 9); the sensitive one is a bright border, "
    "drawn on a random half of the images. Gaussian kernel of width 1, ridge 0.1.",
)
def ccl_k() -> Recipe:
    """Tsai et al. 2022: weakly supervised, the attribute `loop` as conditioning variable."""
    return simclr().varied(
        "CCL-K", takes=Takes("image", columns=("loop",)), objective=lambda: _loss("loop", "positive")
    )
