"""SupReMix: contrast for numbers; hard pairs are mixed between targets, far targets repel more."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import SupCon
from counterpoint.procedures import MixTargets
from counterpoint.relation import Relation, kernel
from counterpoint.systems.core._pictures import TRAIN
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.angles import ANGLES, MORE_ANGLES, WIDEST, absolute_error, ordered
from counterpoint.testbeds.beds import small_network
from counterpoint.views import affine, brightness, compose, noise

TEMPERATURE, EMBEDDING, BATCH = 0.3, 128, 64
# targets are numbers, and those of mixtures are no whole ones
_EQUAL = kernel("angle", lambda d: (d == 0).float())
_FAR = kernel("angle", lambda d: 1 + d.abs())


def embedding(width: int) -> nn.Module:
    """The linear layer to 128 dimensions on which the loss is taken."""
    return projection(width, out=EMBEDDING)


def equal_targets() -> Recipe:
    """SupCon, each degree a class of its own."""
    view = compose(affine(area=(0.7, 1.0), aspect=(3 / 4, 4 / 3)), brightness(0.3), noise(0.05))
    train = replace(TRAIN, batch_size=BATCH)
    stage = Stage(lambda: SupCon(TEMPERATURE, relation=Relation(_EQUAL)), train, head=embedding, view=view)
    return Recipe("SupCon of degrees", (stage,), Takes("image", columns=("angle",)), small_network)


def weighted() -> Recipe:
    """Weights by the distance of targets, no mixtures."""
    far = Relation(_EQUAL, negative=_FAR)
    return equal_targets().varied("SupReMix without mixing", objective=lambda: SupCon(TEMPERATURE, relation=far))


def supremix() -> Recipe:
    """Wu et al. 2023: anchor-inclusive negatives, anchor-exclusive positives, weights by the distance of targets."""
    # mixtures are shorter than one, and weigh less for it
    return weighted().varied(
        "SupReMix",
        objective=lambda: SupCon(TEMPERATURE, relation=Relation(_EQUAL, negative=_FAR), geometry=Dot()),
        procedure=lambda _width: MixTargets("angle"),
    )


system(
    "SupReMix",
    title="Mixup Your Own Pairs",
    year=2023,
    family="core",
    mechanism="tests/systems/test_supremix.py::test_loss_is_that_of_a_naive_loop_over_all_mixtures",
    variants={"SupReMix without mixing": weighted},
    sample=ANGLES,
    claims=(
        Claim(
            "Mixed pairs and weights by label distance improve regression",
            absolute_error("angle"),
            "SupCon with each degree a class",
            ANGLES,
            Trained(equal_targets),
            ceiling=Richer(Trained(weighted), MORE_ANGLES),
            better="lower",
        ),
        Claim(
            "Mixing improves it beyond the weights",
            absolute_error("angle"),
            "the same without mixing",
            ANGLES,
            Trained(weighted),
            ceiling=Richer(Trained(weighted), MORE_ANGLES),
            better="lower",
        ),
    ),
    signal=Signal(ordered("angle"), off=Trained(equal_targets)),
    setup=f"Digits turned by 0 to {WIDEST} degrees stand in for faces of known age, a degree for a year: a "
    "negative weighs 1 + |difference|, hard positives come from targets less than 5 away. As in the authors' "
    "code: temperature 0.3, Beta(2, 8), all mixtures of a batch of 64 in two views, no gradient through them, "
    "and lengths as they come out. Views crop and change brightness but do not turn, which would change the "
    "target. A ridge regression on the representation stands in for the second stage; the ceiling has four times "
    "the pictures and twice the steps, without mixing.",
)(supremix)
