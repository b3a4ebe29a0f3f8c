"""Encouraging loss: examples that are classified well keep on teaching."""

from __future__ import annotations

from counterpoint.geometry import Dot
from counterpoint.methods import Recipe
from counterpoint.objectives import Encouraging
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, knn_accuracy, long_tail, probe_accuracy
from counterpoint.systems.core.supcon import cross_entropy
from counterpoint.systems.registry import Claim, system

CLASSES = 10


def ten_classes() -> Recipe:
    """The baseline: cross-entropy."""
    return cross_entropy(CLASSES)


@system(
    "Encouraging loss",
    title="Well-classified Examples are Underestimated in Classification with Deep Neural Networks",
    year=2021,
    family="core",
    mechanism="tests/systems/test_encouraging.py::test_loss_is_cross_entropy_with_a_bonus_by_hand",
    run=run_on_images,
    claims=(
        Claim("Rewarding well classified examples gives a better representation", "probe accuracy", "cross-entropy"),
        Claim("Classes lie further apart", "5-nearest-neighbour accuracy", "cross-entropy"),
    ),
    measure=claims(
        (probe_accuracy, lambda: encouraging(), ten_classes),
        (knn_accuracy, lambda: encouraging(), ten_classes),
        data=long_tail,
    ),
    setup=SETUP
    + " A linear classifier on the encoder, on views as for contrast. In training classes grow rarer, down to "
    "a twentieth of the most frequent; the test half is as it is.",
)
def encouraging() -> Recipe:
    """Zhao et al. 2022: cross-entropy over ten classes with the conservative bonus, log end 0.75 (their default)."""
    return ten_classes().varied(
        "Encouraging loss",
        objective=lambda: Encouraging(1.0, log_end=0.75, geometry=Dot(), relation=Relation(same("label"))),
    )
