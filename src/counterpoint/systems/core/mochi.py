"""MoCHi: negatives mixed from the hardest of the queue."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.procedures import Chain, MixNegatives
from counterpoint.systems.core import _moco
from counterpoint.systems.core._moco import QUEUE, TEMPERATURE, moco, remembering
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.siamese import added

_HARDEST, _PAIRS, _WITH_QUERY, _AFTER = QUEUE // 16, QUEUE // 16, QUEUE // 128, 10


def _mixing(width: int) -> Chain:
    return remembering(width, then=(MixNegatives(_HARDEST, _PAIRS, _WITH_QUERY, after=_AFTER),))


def _copying(width: int) -> Chain:
    return remembering(width, then=(MixNegatives(_HARDEST, _PAIRS, _WITH_QUERY, after=_AFTER, mixed=False),))


def mochi(temperature: float = TEMPERATURE) -> Recipe:
    """Kalantidis et al. 2020, equations 4 to 6: MoCHi (N, s, s'), a 16th, a 16th and a 128th of the queue."""
    return moco(temperature).varied("MoCHi", procedure=_mixing)


def duplicated(temperature: float = TEMPERATURE) -> Recipe:
    """As many of the hardest negatives once more, and not mixed."""
    return moco(temperature).varied("MoCo, hardest twice", procedure=_copying)


_OURS = Tuned(mochi, TEMPERATURES)

system(
    "MoCHi",
    title="Hard Negative Mixing for Contrastive Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_mochi.py::test_mixtures_join_the_negatives_of_a_naive_loop",
    claims=(
        Claim(
            "Mixed hard negatives improve the representation",
            probe_accuracy(),
            "MoCo",
            SELF_SUPERVISED,
            _moco.TUNED,
            system=_OURS,
            off=Trained(duplicated),
        ),
        Claim(
            "Mixtures are better than the hard negatives that they are made of, as many of them once more",
            probe_accuracy(),
            "MoCo with its hardest negatives duplicated",
            SELF_SUPERVISED,
            Tuned(duplicated, TEMPERATURES),
            system=_OURS,
        ),
    ),
    signal=Signal(added, off=Trained(duplicated)),
    setup=_moco.SETUP + f"Of the {_HARDEST} hardest keys of the queue {_PAIRS} mixtures are made for each query, and "
    f"{_WITH_QUERY} with the query itself: the proportions of MoCHi (1024, 1024, 128) with a queue of 16,384. Mixing "
    f"begins after {_AFTER} of 200 steps (10 of 200 epochs there). Temperatures are chosen of three on both sides.",
)(mochi)
