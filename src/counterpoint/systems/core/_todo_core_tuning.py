"""Core-tuning: fine-tuning with cross-entropy and contrast, both on hard mixtures of features."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import FocalSupCon, InfoNCE, Part, Proxies, SupCon
from counterpoint.procedures import MixHardPairs, shares
from counterpoint.relation import Relation
from counterpoint.systems.core._digits import halves, run_on_images, trained
from counterpoint.systems.core._labelled import CLASSES, SETUP, WIDTH, at_most, base
from counterpoint.systems.core._versus import probe_accuracy
from counterpoint.systems.core.nadaraya_watson import empirical_risk
from counterpoint.systems.registry import Claim, Figures, Pair, system


def pretraining() -> Recipe:
    """SimCLR, without labels."""
    return base().varied(
        "SimCLR",
        objective=lambda: InfoNCE(0.5, layout="views"),
        head=lambda width: projection(width, hidden=(width,)),
    )


def from_simclr(tuning: Recipe) -> Recipe:
    """A recipe from an encoder that has learned from the same images without labels."""
    return replace(tuning, stages=(*pretraining().stages, *tuning.stages))


def fine_tuned() -> Recipe:
    """The baseline: cross-entropy."""
    return from_simclr(empirical_risk())


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = halves(seed)
    before, ours, theirs = (
        probe_accuracy(*trained(recipe(), parts[0], seed), parts) for recipe in (pretraining, core_tuning, fine_tuned)
    )
    return ((ours, theirs),), {"before fine-tuning": before}


@system(
    "Core-tuning",
    title="Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized Fine-Tuning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_core_tuning.py::test_loss_is_that_of_a_naive_loop_over_mixtures",
    run=run_on_images,
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
def core_tuning() -> Recipe:
    """Zhang et al. 2021: cross-entropy with soft labels and focal SupCon, on features and their hard mixtures."""
    soft = Relation(shares)
    tuning = base().varied(
        "Core-tuning",
        prepare=(at_most(CLASSES),),
        own_start=True,
        objective=lambda: (
            Part(Proxies(SupCon(1.0, layout="one-way", geometry=Dot(), relation=soft), CLASSES, WIDTH), 0, WIDTH)
            + Part(FocalSupCon(0.07), WIDTH)
        ),
        procedure=lambda width: MixHardPairs(projection(width, hidden=(width,))),
    )
    return from_simclr(tuning)
