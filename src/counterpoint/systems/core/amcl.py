"""AMCL: several heads, and a learned temperature for every pair, from a perceptron that they share."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import Several, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Objective, PairTemperature, Part, Sum
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import MORE_CIFAR, Richer, Trained, Tuned
from counterpoint.testbeds.contrast import spread_over_pairs
from counterpoint.testbeds.figures import probe_accuracy

HEADS, HIDDEN, DIM, HARDEST, BETA = 3, 512, 128, 100, 1e-4
"""The authors' for SimCLR."""
BETAS = (BETA, 0.1, 1.0)
"""That of their experiments, of their published code, and of the likelihood; as many as SimCLR's temperatures."""


def _objective(number: int, **options: float) -> Objective:
    first = PairTemperature(DIM, hardest=HARDEST, **options)  # type: ignore[arg-type]
    heads = [first, *(PairTemperature(DIM, phi=first.phi, hardest=HARDEST, **options) for _ in range(number - 1))]  # type: ignore[arg-type]
    ends = [*range(DIM, number * DIM, DIM), None]
    return Sum(*(Part(one, i * DIM, end) for i, (one, end) in enumerate(zip(heads, ends, strict=True))))


def _head(width: int, number: int) -> nn.Module:
    return Several(*(projection(width, hidden=(HIDDEN,), out=DIM, norm=nn.BatchNorm1d) for _ in range(number)))


def _with_heads(name: str, number: int, **options: float) -> Recipe:
    return simclr().varied(
        name, objective=lambda: _objective(number, **options), head=lambda width: _head(width, number)
    )


def amcl(beta: float = BETA) -> Recipe:
    """Wang et al. 2024: the sum over heads of attraction and repulsion at a temperature of each pair's own."""
    return _with_heads("AMCL", HEADS, beta=beta)


def one_head(beta: float = BETA) -> Recipe:
    """The same without the other heads."""
    return _with_heads("AMCL, 1 head", 1, beta=beta)


def one_temperature(temperature: float = 0.5) -> Recipe:
    """The same heads and loss at one temperature."""
    return _with_heads("AMCL, one temperature", HEADS, beta=BETA, minimum=temperature, maximum=temperature)


def same_head(temperature: float = 0.5) -> Recipe:
    """SimCLR with one of these heads."""
    return simclr(temperature).varied("SimCLR, same head", head=lambda width: _head(width, 1))


_OURS = Tuned(amcl, BETAS)
_MORE = Richer(Trained(same_head), MORE_CIFAR)

system(
    "AMCL",
    title="Adaptive Multi-head Contrastive Learning",
    year=2023,
    family="core",
    mechanism="tests/systems/test_amcl.py::test_loss_is_that_of_a_naive_loop_over_heads_and_pairs",
    variants={"AMCL, 1 head": one_head},
    claims=(
        Claim(
            "Adaptive heads improve SimCLR",
            probe_accuracy(),
            "SimCLR with one such head, its temperature chosen",
            SELF_SUPERVISED,
            Tuned(same_head, TEMPERATURES),
            system=_OURS,
            ceiling=_MORE,
        ),
        Claim(
            "Several heads are better than one",
            probe_accuracy(),
            "the same with one head",
            SELF_SUPERVISED,
            Tuned(one_head, BETAS),
            system=_OURS,
            ceiling=_MORE,
        ),
        Claim(
            "A temperature of each pair's own is better than one",
            probe_accuracy(),
            "the same heads and loss at one temperature, chosen",
            SELF_SUPERVISED,
            Tuned(one_temperature, TEMPERATURES),
            system=_OURS,
            ceiling=_MORE,
        ),
    ),
    signal=Signal(spread_over_pairs, off=Trained(one_temperature), system=_OURS),
    setup="The authors' constants: 3 heads of 512 and 128 units, temperatures from 0.00001 to 2, beta 0.0001, the 100 "
    "hardest negatives of each row (of 1,022 in theirs, of 510 here, since batches are of 256). Of beta three "
    "values are tried where SimCLR's temperature is chosen: at 0.0001 all temperatures end at the lower limit. The "
    "ceiling is SimCLR with one of these heads, twice the pictures and four times the steps. Their encoder has "
    "BatchNorm and their heads have none; here the encoder has GroupNorm and the heads have BatchNorm in the hidden "
    "layer, without which all vectors become one. AdamW stands in for SGD.",
)(amcl)
