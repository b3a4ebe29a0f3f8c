"""GroCo: positives must be sorted behind the hardest negatives."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import GroCo, InfoNCE
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, simclr
from counterpoint.systems.core.simsiam import projector
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import MORE_CIFAR, Richer, Trained, Tuned
from counterpoint.testbeds.figures import knn_accuracy, probe_accuracy
from counterpoint.testbeds.siamese import order

_STEEPNESSES = (0.5, 1.0, 2.0)


def groco(steepness: float = 1.0) -> Recipe:
    """Shvetsova et al. 2023: 10 hardest negatives of the same view, Cauchy sorting of steepness 1, four views."""
    negatives = Relation(same("sample"), ~same("view") & ~same("sample"))

    def objective() -> GroCo:
        return GroCo(10, steepness=steepness, relation=negatives)

    return simclr().varied("GroCo", objective=objective, head=projector, views=4)


def softmax(temperature: float = 0.1) -> Recipe:
    """The authors' SimCLR: the same views and head, every pair of views by itself, temperature 0.1."""
    return groco().varied("SimCLR, four views", objective=lambda: InfoNCE(temperature, layout="views"))


_OURS, _THEIRS = Tuned(groco, _STEEPNESSES), Tuned(softmax, TEMPERATURES)
_MORE = Richer(Trained(softmax), MORE_CIFAR)

system(
    "GroCo",
    title="Learning by Sorting: Self-supervised Learning with Group Ordering Constraints",
    year=2023,
    family="core",
    mechanism="tests/systems/test_groco.py::test_loss_is_that_of_a_sort_written_out",
    claims=(
        Claim(
            "Sorting gives better neighbours than a softmax",
            knn_accuracy(),
            "SimCLR, as many views",
            SELF_SUPERVISED,
            _THEIRS,
            system=_OURS,
            ceiling=_MORE,
        ),
        Claim(
            "It is better for a linear probe, too",
            probe_accuracy(),
            "SimCLR, as many views",
            SELF_SUPERVISED,
            _THEIRS,
            system=_OURS,
            ceiling=_MORE,
        ),
    ),
    signal=Signal(order, off=Trained(softmax)),
    setup="Four views; both have the authors' head: three layers with BatchNorm, statistics of one view. SimCLR takes "
    "every pair of views by itself against all views of the other pictures, as in the authors' code. Steepness (theirs "
    "is 1) and temperature (0.1) are chosen of three values each. The authors' 20 nearest neighbours of 1.3 million "
    "are five of 5,000 here. The ceiling is SimCLR of four views with twice the pictures and four times the steps: "
    "with two views it is no better than the baseline. Their abstract claims both over plain contrast; over other "
    "methods it claims neighbours alone.",
)(groco)
