"""Hydra: any two classes may be a positive pair, in the dimensions that a gate leaves on."""

from __future__ import annotations

from torch import nn

from counterpoint.geometry import Gated, Temperature
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.procedures import PairGates
from counterpoint.systems.core._supervised import SUPERVISED, at_most, supcon
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import probe_accuracy, rank
from counterpoint.testbeds.labelled import gates

_MOST, _OUT = 1000, 128


def hydra_head(width: int) -> nn.Module:
    """Theirs: BatchNorm in the hidden layer, LayerNorm after the last."""
    return projection(width, hidden=(width,), out=_OUT, norm=nn.BatchNorm1d, last=lambda: nn.LayerNorm(_OUT))


def hydra() -> Recipe:
    """Wu et al. 2024: InfoNCE over features gated by the pair of classes, a learned temperature from 0.1."""
    return supcon().varied(
        "Hydra",
        prepare=(at_most(_MOST),),
        head=hydra_head,
        objective=lambda: InfoNCE(Temperature(0.1), geometry=Gated(), relation=PairGates.relation),
        procedure=lambda _width: PairGates(_MOST, _OUT),
    )


def open_gates() -> Recipe:
    """The same pairs, all dimensions on."""
    return hydra().varied("Hydra without gates", procedure=lambda _width: PairGates(_MOST, _OUT, learned=False))


def same_class() -> Recipe:
    """Pairs of one class only: SupCon with the same head, at a learned temperature from 0.1."""
    return supcon().varied("SupCon, Hydra's head", head=hydra_head, objective=lambda: SupCon(Temperature(0.1)))


system(
    "Hydra",
    title="Rethinking Positive Pairs in Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_hydra.py::test_loss_is_that_of_a_naive_loop_over_gated_pairs",
    variants={"Hydra without gates": open_gates},
    claims=(
        Claim(
            "With gates, arbitrary pairs of classes teach a better representation than without",
            probe_accuracy(),
            "the same pairs, all dimensions on",
            SUPERVISED,
            Trained(open_gates),
        ),
        Claim(
            "Arbitrary pairs prevent dimensional collapse",
            rank,
            "SupCon with the same head",
            SUPERVISED,
            Trained(same_class),
            off=Trained(open_gates),
            ceiling=float(_OUT),
            floors=(),
        ),
    ),
    signal=Signal(gates, off=Trained(open_gates)),
    setup="Every image of a batch is paired with the class of a random one, whatever its own. Similarity is the cosine "
    "of the gated vectors; the last version of the authors' code does not scale these to length one again. The "
    "network of the gates has 64 and 128 units in place of 512 and 1,024, and every query counts the same, where "
    f"theirs counts by its number of positives. Up to {_MOST:,} classes, as ImageNet has.",
)(hydra)
