"""Core-tuning: fine-tuning with cross-entropy and contrast, both on hard mixtures of features."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from torch import nn

from counterpoint.config import Config
from counterpoint.data.images import Images, digits, load_images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.objectives import FocalSupCon, InfoNCE, Part, Proxies, SupCon
from counterpoint.procedures import MixHardPairs, shares
from counterpoint.relation import Relation
from counterpoint.systems.core._digits import halves
from counterpoint.systems.core._labelled import CLASSES, SETUP, WIDTH, base, trained
from counterpoint.systems.core._versus import probe_accuracy
from counterpoint.systems.core.nadaraya_watson import empirical_risk
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system


def pretraining() -> Config:
    """SimCLR, without labels."""
    return replace(
        base(),
        name="SimCLR",
        objective=lambda: InfoNCE(0.5, layout="views"),
        head=lambda width: projection(width, hidden=(width,)),
    )


def pretrained(images: Images, seed: int) -> PixelEncoder:
    """An encoder that has learned from these images without labels."""
    return trained(pretraining(), images, seed)[0]


def tuned(config: Config, start: PixelEncoder, parts: tuple[Images, Images], seed: int) -> float:
    """Probe accuracy of a copy of the start after fine-tuning."""
    model, head = trained(config, parts[0], seed, start=lambda *_: copy.deepcopy(start))
    return probe_accuracy(model, head, parts)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = halves(seed)
    start = pretrained(parts[0], seed)
    pair = tuned(core_tuning(), start, parts, seed), tuned(empirical_risk(), start, parts, seed)
    return (pair,), {"before fine-tuning": probe_accuracy(start, nn.Identity(), parts)}


def _run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
    del output
    images = digits() if source is None else load_images(source)
    if int(images.labels.max()) >= CLASSES:
        raise InputError(f"more than {CLASSES} classes", fix="give images of fewer classes")
    parts = images.split()
    say(f"{images.source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
    start = pretrained(parts[0], 0)
    return {
        "SimCLR: probe accuracy": probe_accuracy(start, nn.Identity(), parts),
        f"{config.name}: probe accuracy": tuned(config, start, parts, 0),
    }


@system(
    "Core-tuning",
    title="Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized Fine-Tuning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_core_tuning.py::test_loss_is_that_of_a_naive_loop_over_mixtures",
    run=_run,
    claims=(
        Claim(
            "Contrast and hard mixtures make fine-tuning better",
            "probe accuracy",
            "cross-entropy, from the same pre-trained encoder",
        ),
    ),
    measure=_measure,
    setup=SETUP
    + " The start of both is the same encoder after as many steps of SimCLR. A hard positive is of its anchor's class, "
    "a hard negative of the class that most of it is from (the authors' code: positives have equal soft labels); "
    "contrast has a weight of 1 and a head with one hidden layer. For both accuracy is that of a logistic regression "
    "on the representation.",
)
def core_tuning() -> Config:
    """Zhang et al. 2021: cross-entropy with soft labels and focal SupCon, on features and their hard mixtures."""
    soft = Relation(shares)
    return replace(
        base(),
        name="Core-tuning",
        objective=lambda: (
            Part(Proxies(SupCon(1.0, layout="one-way", geometry=Dot(), relation=soft), CLASSES, WIDTH), 0, WIDTH)
            + Part(FocalSupCon(0.07), WIDTH)
        ),
        procedure=lambda width: MixHardPairs(projection(width, hidden=(width,))),
    )
