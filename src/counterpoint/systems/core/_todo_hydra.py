"""Hydra: any two classes may be a positive pair, in the dimensions that a gate leaves on."""

from __future__ import annotations

from counterpoint.geometry import Gated
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.procedures import PairGates
from counterpoint.systems.core._digits import halves, run_on_images
from counterpoint.systems.core._labelled import CLASSES, SETUP, at_most, base
from counterpoint.systems.core._versus import claims, probe_accuracy, spread
from counterpoint.systems.registry import Claim, system


def supervised() -> Recipe:
    """SupCon at the same temperature, with the same head."""
    return base().varied(
        "SupCon",
        prepare=(at_most(CLASSES),),
        objective=lambda: SupCon(0.2),
        head=lambda width: projection(width, hidden=(width,)),
    )


def open_gates() -> Recipe:
    """The same pairs, all dimensions on."""
    return hydra().varied(
        "Hydra without gates", procedure=lambda width: PairGates(CLASSES, width).requires_grad_(False)
    )


@system(
    "Hydra",
    title="Rethinking Positive Pairs in Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_hydra.py::test_loss_is_that_of_a_naive_loop_over_gated_pairs",
    variants={"Hydra without gates": open_gates},
    run=run_on_images,
    claims=(
        Claim(
            "With gates, arbitrary pairs of classes teach a better representation than without",
            "probe accuracy",
            "the same pairs, all dimensions on",
        ),
        Claim(
            "Arbitrary pairs prevent dimensional collapse",
            "effective rank of projected test images",
            "SupCon, same encoder, views and steps",
        ),
    ),
    measure=claims(
        (probe_accuracy, lambda: hydra(), open_gates),
        (spread, lambda: hydra(), supervised),
        data=halves,
    ),
    setup=SETUP
    + " Every image of a batch is paired with a random one, of whatever class; images of the two classes that are not "
    "the drawn one are left out, those of the other classes are negatives. A gate is a table entry for each pair of "
    "classes. Temperature 0.2, one hidden layer in the head.",
)
def hydra() -> Recipe:
    """Wu et al. 2024: InfoNCE over features gated by the pair of classes."""
    return supervised().varied(
        "Hydra",
        objective=lambda: InfoNCE(0.2, geometry=Gated(), relation=PairGates.relation),
        procedure=lambda width: PairGates(CLASSES, width),
    )
