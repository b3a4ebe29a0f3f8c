"""AMCL: several heads, each with a learned temperature for every pair."""

from __future__ import annotations

from counterpoint.heads import Several, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import PairTemperature, Part, Sum
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system

HEADS, DIM, HARDEST = 3, 32, 10


def with_heads(number: int) -> Recipe:
    """So many heads, of one loss each."""
    return simclr().varied(
        f"AMCL, {number} head{'s' * (number > 1)}",
        objective=lambda: Sum(
            *(Part(PairTemperature(DIM, hardest=HARDEST), i * DIM, (i + 1) * DIM) for i in range(number))
        ),
        head=lambda width: Several(*(projection(width, hidden=(width,), out=DIM) for _ in range(number))),
    )


def one_head() -> Recipe:
    """The same without the other heads."""
    return with_heads(1)


@system(
    "AMCL",
    title="Adaptive Multi-head Contrastive Learning",
    year=2023,
    family="core",
    mechanism="tests/systems/test_amcl.py::test_loss_is_that_of_a_naive_loop_over_heads_and_pairs",
    run=run_on_images,
    variants={"AMCL, 1 head": one_head},
    claims=(
        Claim("Adaptive heads improve SimCLR", "probe accuracy", "SimCLR"),
        Claim("Several heads are better than one", "probe accuracy", "the same with one head"),
    ),
    measure=claims((probe_accuracy, lambda: amcl(), simclr), (probe_accuracy, lambda: amcl(), one_head)),
    setup=SETUP
    + f" {HEADS} heads of {DIM} dimensions; temperatures from 0.1 to 2, the {HARDEST} hardest negatives of each row.",
)
def amcl() -> Recipe:
    """Wang et al. 2024: the sum over heads of attraction and repulsion at a temperature of each pair's own."""
    return with_heads(HEADS).varied("AMCL")
