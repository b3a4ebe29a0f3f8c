"""GroCo: positives must be sorted behind the hardest negatives."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import GroCo
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, run_on_images, training
from counterpoint.systems.core._versus import claims, knn_accuracy, probe_accuracy
from counterpoint.systems.core.mv_dhel import pairwise
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system


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
    measure=claims((knn_accuracy, lambda: groco(), pairwise), (probe_accuracy, lambda: groco(), pairwise)),
    setup=SETUP + " Four views; SimCLR at temperature 0.2. As good is tested as better.",
)
def groco() -> Recipe:
    """Shvetsova et al. 2023: 10 hardest negatives of the same view, Cauchy sorting of steepness 1."""
    negatives = Relation(same("sample"), ~same("view") & ~same("sample"))
    return simclr().varied("GroCo", objective=lambda: GroCo(10, relation=negatives), views=4, train=training(4))
