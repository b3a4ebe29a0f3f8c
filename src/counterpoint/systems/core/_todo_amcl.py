"""AMCL: several heads, and a learned temperature for every pair, from a perceptron that they share."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import Several, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Objective, PairTemperature, Part, Sum
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system

HEADS, DIM, HARDEST = 3, 32, 100


def _objective(number: int) -> Objective:
    first = PairTemperature(DIM, hardest=HARDEST)
    others = [PairTemperature(DIM, phi=first.phi, hardest=HARDEST) for _ in range(number - 1)]
    return Sum(*(Part(one, i * DIM, (i + 1) * DIM) for i, one in enumerate([first, *others])))


def _head(width: int, number: int) -> nn.Module:
    return Several(*(projection(width, hidden=(width,), out=DIM, norm=nn.BatchNorm1d) for _ in range(number)))


def with_heads(number: int) -> Recipe:
    """So many heads, of one loss each."""
    return simclr().varied(
        f"AMCL, {number} head{'s' * (number > 1)}",
        objective=lambda: _objective(number),
        head=lambda width: _head(width, number),
    )


def one_head() -> Recipe:
    """The same without the other heads."""
    return with_heads(1)


def one_temperature() -> Recipe:
    """SimCLR with one of these heads."""
    return simclr().varied("SimCLR, same head", head=one_head().stages[0].head)


@system(
    "AMCL",
    title="Adaptive Multi-head Contrastive Learning",
    year=2023,
    family="core",
    mechanism="tests/systems/test_amcl.py::test_loss_is_that_of_a_naive_loop_over_heads_and_pairs",
    run=run_on_images,
    variants={"AMCL, 1 head": one_head},
    claims=(
        Claim("Adaptive heads improve SimCLR", "probe accuracy", "SimCLR with one such head"),
        Claim("Several heads are better than one", "probe accuracy", "the same with one head"),
    ),
    measure=claims((probe_accuracy, lambda: amcl(), one_temperature), (probe_accuracy, lambda: amcl(), one_head)),
    setup=SETUP
    + f" {HEADS} heads of {DIM} dimensions (128 in theirs), each with one hidden layer. The authors' constants: "
    f"temperatures from 0.00001 to 2, beta 0.0001, the {HARDEST} hardest negatives of each row (of 1,022; here 510). "
    "Their encoder has BatchNorm and their heads have none; here the heads have it in the hidden layer.",
)
def amcl() -> Recipe:
    """Wang et al. 2024: the sum over heads of attraction and repulsion at a temperature of each pair's own."""
    return with_heads(HEADS).varied("AMCL")
