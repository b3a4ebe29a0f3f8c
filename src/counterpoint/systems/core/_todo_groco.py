"""GroCo: positives must be sorted behind the hardest negatives."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import GroCo, InfoNCE
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import claims, knn_accuracy, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.core.simsiam import projector
from counterpoint.systems.registry import Claim, system


def softmax() -> Recipe:
    """The authors' SimCLR: the same views and head, every pair of views by itself, temperature 0.1."""
    return groco().varied("SimCLR, four views", objective=lambda: InfoNCE(0.1, layout="views"))


@system(
    "GroCo",
    title="Learning by Sorting: Self-supervised Learning with Group Ordering Constraints",
    year=2023,
    family="core",
    mechanism="tests/systems/test_groco.py::test_loss_is_that_of_a_sort_written_out",
    run=run_on_images,
    claims=(
        Claim(
            "Sorting gives better neighbours than a softmax", "5-nearest-neighbour accuracy", "SimCLR, as many views"
        ),
        Claim("It is as good for a linear probe", "probe accuracy", "SimCLR, as many views"),
    ),
    measure=claims((knn_accuracy, lambda: groco(), softmax), (probe_accuracy, lambda: groco(), softmax)),
    setup=SETUP
    + " Four views; both have the authors' head, which is SimSiam's: three layers with BatchNorm, statistics of one "
    "view. SimCLR at temperature 0.1. As good is tested as better.",
)
def groco() -> Recipe:
    """Shvetsova et al. 2023: 10 hardest negatives of the same view, Cauchy sorting of steepness 1."""
    negatives = Relation(same("sample"), ~same("view") & ~same("sample"))
    return simclr().varied(
        "GroCo", objective=lambda: GroCo(10, relation=negatives), head=projector, views=4, train=training(4)
    )
