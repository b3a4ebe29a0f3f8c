"""MoCo with both views as queries and the hardest of the queue as negatives."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, hardest
from counterpoint.procedures import Chain
from counterpoint.systems.core import _moco
from counterpoint.systems.core._moco import QUEUE, TEMPERATURE, moco, remembering
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.siamese import budget, hardest_negatives

_KEPT = QUEUE // 4


def _both(width: int) -> Chain:
    return remembering(width, symmetric=True)


def _both_of_few(width: int) -> Chain:
    return remembering(width, _KEPT, symmetric=True)


def both_ways(temperature: float = TEMPERATURE) -> Recipe:
    """The symmetric loss alone."""
    return moco(temperature).varied("MoCo, both views", procedure=_both)


def moco_dual_view(temperature: float = TEMPERATURE) -> Recipe:
    """Hoang et al. 2025: the losses of both views (lambda 1/2), against the hardest of the queue by cosine."""
    return both_ways().varied("MoCo dual view", objective=lambda: InfoNCE(temperature, reweight=hardest(_KEPT)))


def not_hardest() -> Recipe:
    """As many negatives as the filter leaves, and not the hardest: a shorter queue."""
    return both_ways().varied("MoCo, both views, short queue", procedure=_both_of_few)


_OURS = Tuned(moco_dual_view, TEMPERATURES)

system(
    "MoCo dual view",
    title="Momentum Contrastive Learning with Enhanced Negative Sampling and Hard Negative Filtering",
    year=2025,
    family="core",
    mechanism="tests/systems/test_moco_dual_view.py::test_loss_is_the_mean_of_both_ways_over_the_hardest",
    claims=(
        Claim(
            "Both views as queries, against the hardest negatives, are better than one",
            probe_accuracy(),
            "MoCo",
            SELF_SUPERVISED,
            _moco.TUNED,
            system=_OURS,
            off=Trained(both_ways),
        ),
        Claim(
            "The hardest negatives alone are better than the whole queue",
            probe_accuracy(),
            "both views against the whole queue",
            SELF_SUPERVISED,
            Tuned(both_ways, TEMPERATURES),
            system=_OURS,
            off=Trained(not_hardest),
        ),
        Claim(
            "Both are better than one view for as many queries",
            probe_accuracy(),
            "MoCo for twice as many steps",
            budget(SELF_SUPERVISED, 0.5),
            Richer(Trained(moco), SELF_SUPERVISED),
        ),
    ),
    signal=Signal(hardest_negatives, off=Trained(both_ways)),
    setup=_moco.SETUP
    + f"{_KEPT} keys are kept for each query, a quarter of the queue: the paper's number is not known "
    "here. Among the hardest are keys of the query's own class, in the paper as here. Two losses a step are twice as "
    "many queries as MoCo's one, so it is also compared with MoCo for twice as many steps. Temperatures are chosen of "
    f"three on both sides; against more steps all have {TEMPERATURE}. Where the filter is off, the queue is as short "
    "as what the filter leaves.",
)(moco_dual_view)
