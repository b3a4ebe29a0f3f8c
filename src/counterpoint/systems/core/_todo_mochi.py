"""MoCHi: negatives mixed from the hardest of the queue."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.procedures import Chain, MixNegatives, Queue, Teacher
from counterpoint.systems.core import _moco
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._moco import moco
from counterpoint.systems.core._versus import versus
from counterpoint.systems.registry import Claim, system


@system(
    "MoCHi",
    title="Hard Negative Mixing for Contrastive Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_mochi.py::test_mixtures_lie_on_the_segments_of_the_hardest_negatives",
    run=run_on_images,
    claims=(Claim("Mixed hard negatives improve the representation", "probe accuracy", "MoCo"),),
    measure=versus(lambda: mochi(), moco),
    setup=SETUP + _moco.SETUP,
)
def mochi() -> Recipe:
    """Kalantidis et al. 2020, MoCHi (N, s, s'): of a quarter of the queue 64 and 16, after 15 steps."""
    return moco().varied(
        "MoCHi",
        procedure=lambda width: Chain(
            Teacher(_moco.DECAY, symmetric=False),
            Queue(_moco.QUEUE, width),
            MixNegatives(_moco.QUEUE // 4, 64, 16, after=15),
        ),
    )
