"""PNDA: a turned copy is a positive where turning changes nothing, and a negative where it does."""

from __future__ import annotations

from functools import partial

import torch

from counterpoint.methods import Prepare, Recipe
from counterpoint.negatives.turns import looking_alike
from counterpoint.objectives import SupCon
from counterpoint.procedures import TurnedViews
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import plain_head, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.weak import PARTLY_TURNED, PARTLY_TURNED_DIGITS, always, copied, shuffled, turn_contrast
from counterpoint.views import compose, quarter_turns
from counterpoint.views.images import Pixels
from counterpoint.views.standard import picture_view

AGNOSTIC = "agnostic"


def _turns(_width: int) -> TurnedViews:
    return TurnedViews(AGNOSTIC)


def _turned(pixels: Pixels) -> Pixels:
    return quarter_turns(pixels, torch.randint(1, 4, (len(pixels),)))


def _of(name: str, *prepare: Prepare) -> Recipe:
    """Two views of each picture, and two that were turned before: SupCon's mean over positives (authors' code)."""
    plain, turned = picture_view(), compose(_turned, picture_view())
    return simclr().varied(
        name,
        objective=partial(SupCon, 0.5, relation=Relation(same("sample"))),
        head=plain_head,
        view=(plain, plain, turned, turned),
        views=4,
        procedure=_turns,
        prepare=prepare,
    )


def pnda() -> Recipe:
    """Miyai et al. 2023: which pictures look alike however turned, a predictor of turns says."""
    return _of("PNDA", looking_alike(AGNOSTIC))


def always_positive() -> Recipe:
    """Turns as positives of every image."""
    return _of("turns are positives", always(AGNOSTIC, 1))


def always_negative() -> Recipe:
    """Turns as negatives of every image."""
    return _of("turns are negatives", always(AGNOSTIC, 0))


def no_turns() -> Recipe:
    """SimCLR: turned views are left out."""
    return _of("no turns", always(AGNOSTIC, -1))


def anyone() -> Recipe:
    """As many images as PNDA has, but others."""
    return _of("turns of others", looking_alike(AGNOSTIC), shuffled(AGNOSTIC))


def truth() -> Recipe:
    """What was turned in truth."""
    return _of("turns known", copied("turned", AGNOSTIC))


system(
    "PNDA",
    title="Rethinking Rotation in Self-Supervised Contrastive Learning: Adaptive Positive or Negative Data "
    "Augmentation",
    year=2022,
    family="core",
    mechanism="tests/systems/test_pnda.py::test_turned_views_are_positives_or_negatives_of_a_naive_loop",
    sample=PARTLY_TURNED_DIGITS,
    claims=(
        Claim(
            "Deciding for each image is better than turns as positives",
            probe_accuracy(),
            "all turns are positives",
            PARTLY_TURNED,
            Trained(always_positive),
            off=Trained(anyone),
            ceiling=Trained(truth),
        ),
        Claim(
            "It is better than turns as negatives",
            probe_accuracy(),
            "all turns are negatives",
            PARTLY_TURNED,
            Trained(always_negative),
            ceiling=Trained(truth),
        ),
        Claim(
            "It is better than no turns",
            probe_accuracy(),
            "no turns",
            PARTLY_TURNED,
            Trained(no_turns),
            ceiling=Trained(truth),
        ),
    ),
    signal=Signal(turn_contrast, off=Trained(anyone)),
    setup="What looks alike however turned is planted: of five classes every picture is turned by chance. The "
    "predictor's first step has 30 passes with one turn of each picture, where the authors' has 10 on CIFAR-100, ten "
    "times as many pictures in all four turns; threshold and margin are theirs. Their second step, which drives "
    "entropies apart, is left out: with so few pictures most are uncertain after the first, and it makes all of them "
    "so. The two turned views draw an angle for each picture, where theirs have two different ones for a whole batch.",
)(pnda)
