"""CACR: the far positive is pulled more, the near negative is pushed more."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from counterpoint.methods import Recipe
from counterpoint.objectives import CACR
from counterpoint.systems.core._pictures import LONG_TAIL, SELF_SUPERVISED, TEMPERATURES, TRAIN, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.contrast import nearest
from counterpoint.testbeds.figures import probe_accuracy

_VIEWS, _NEGATIVE = 5, 0.9
SHARPNESS = (0.5, 0.9, 2.0)
"""Of the negatives' weights, as many as there are temperatures for SimCLR."""


def five_views(temperature: float = 0.5) -> Recipe:
    """The baseline: a softmax over five views, each positive alone against the negatives."""
    train = replace(TRAIN, batch_size=128)
    return simclr(temperature).varied("SimCLR, five views", views=_VIEWS, train=train)


def cacr(negative: float = _NEGATIVE) -> Recipe:
    """Zheng et al. 2021, equations 4 to 7: four positives, sharpness 1 for them and 0.9 for negatives (CIFAR-10)."""
    return five_views().varied("CACR", objective=lambda: CACR(1.0, negative))


def unweighted() -> Recipe:
    """Uniform attraction and repulsion."""
    return five_views().varied("Uniform attraction and repulsion", objective=lambda: CACR(0.0, 0.0))


SOFTMAX, WEIGHED = Tuned(five_views, TEMPERATURES), Tuned(cacr, SHARPNESS)

system(
    "CACR",
    title="Contrastive Attraction and Contrastive Repulsion for Representation Learning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_cacr.py::test_loss_is_that_of_a_naive_loop_over_pairs_of_views",
    claims=(
        Claim(
            "On imbalanced data attraction and repulsion are better than a softmax",
            probe_accuracy(),
            "a softmax over as many views, its temperature chosen",
            LONG_TAIL,
            SOFTMAX,
            system=WEIGHED,
        ),
        Claim(
            "They are on balanced data, too",
            probe_accuracy(),
            "a softmax over as many views, its temperature chosen",
            SELF_SUPERVISED,
            SOFTMAX,
            system=WEIGHED,
        ),
        Claim(
            "Weighing within positives and negatives is better than equal weights",
            probe_accuracy(),
            "the same with equal weights",
            LONG_TAIL,
            Trained(unweighted),
            system=Trained(partial(cacr, _NEGATIVE)),
        ),
    ),
    signal=Signal(nearest, off=Trained(unweighted), system=Trained(partial(cacr, _NEGATIVE))),
    setup="Five views of each picture, so that there are four positives, and batches of 128, as in the authors' code. "
    "Its loss is on the last layer of an encoder whose dense layers have BatchNorm; here both sides have SimCLR's "
    "head, which has it, too. Repulsion is taken for each pair of views, both ways round where the code goes one "
    "way. Sharpness of the negatives and temperature are chosen from three, else it is the code's 0.9. Five views "
    "have fewer epochs. AdamW stands in for SGD, GroupNorm for the encoder's BatchNorm.",
)(cacr)
