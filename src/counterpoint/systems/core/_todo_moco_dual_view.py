"""MoCo with both views as queries and the hardest of the queue as negatives."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, hardest
from counterpoint.procedures import Chain, Queue, Teacher
from counterpoint.systems.core import _moco
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._moco import moco
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.registry import Claim, system


def both_ways() -> Recipe:
    """The symmetric loss alone."""
    return moco().varied(
        "MoCo, both views",
        procedure=lambda width: Chain(Teacher(_moco.DECAY), Queue(_moco.QUEUE, width)),
    )


@system(
    "MoCo dual view",
    title="Momentum Contrastive Learning with Enhanced Negative Sampling and Hard Negative Filtering",
    year=2025,
    family="core",
    mechanism="tests/systems/test_mochi.py::test_dual_view_loss_is_the_mean_of_both_ways_over_the_hardest",
    run=run_on_images,
    claims=(
        Claim("Both views as queries, against the hardest negatives, are better than one", "probe accuracy", "MoCo"),
        Claim(
            "The hardest negatives alone are better than the whole queue",
            "probe accuracy",
            "both views against the whole queue",
        ),
    ),
    measure=claims(
        (probe_accuracy, lambda: moco_dual_view(), moco), (probe_accuracy, lambda: moco_dual_view(), both_ways)
    ),
    setup=SETUP + _moco.SETUP + " A quarter of the queue is kept for each query.",
)
def moco_dual_view() -> Recipe:
    """Hoang et al. 2025: the losses of both views (lambda 1/2), against the hardest of the queue by cosine."""
    return both_ways().varied(
        "MoCo dual view",
        objective=lambda: InfoNCE(_moco.TEMPERATURE, reweight=hardest(_moco.QUEUE // 4)),
    )
