"""CACR: the far positive is pulled more, the near negative is pushed more."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import CACR
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import claims, long_tail, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


def four_views() -> Recipe:
    """The baseline: SimCLR with four views, each positive alone against the negatives."""
    return simclr().varied("SimCLR, four views", views=4, train=training(4))


def unweighted() -> Recipe:
    """Uniform attraction and repulsion."""
    return four_views().varied("Uniform attraction and repulsion", objective=lambda: CACR(0.0, 0.0))


@system(
    "CACR",
    title="Contrastive Attraction and Contrastive Repulsion for Representation Learning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_cacr.py::test_loss_is_that_of_a_naive_loop_with_four_views",
    run=run_on_images,
    claims=(
        Claim(
            "On imbalanced data attraction and repulsion are better than a softmax",
            "probe accuracy",
            "SimCLR, as many views",
        ),
        Claim(
            "Weighing within positives and negatives is better than equal weights",
            "probe accuracy",
            "the same with equal weights",
        ),
    ),
    measure=claims(
        (probe_accuracy, lambda: cacr(), four_views),
        (probe_accuracy, lambda: cacr(), unweighted),
        data=long_tail,
    ),
    setup=SETUP
    + " Four views of each image, so that there are three positives. In training classes grow rarer, down to a "
    "twentieth of the most frequent; the test half is as it is.",
)
def cacr() -> Recipe:
    """Zheng et al. 2021, equations 4 to 7: sharpness 1 for positives and 2 for negatives, four views."""
    return four_views().varied("CACR", objective=lambda: CACR(1.0, 2.0))
