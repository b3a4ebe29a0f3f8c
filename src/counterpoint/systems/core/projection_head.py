"""Why the head is thrown away: layers weigh features ever less evenly, and a fixed unequal weighting does as much."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.heads import Reweight
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._linear import by_view, linear
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, simclr
from counterpoint.systems.core.simplicity_bias import fine_labels, labels_alone
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Seen, Trained, Tuned
from counterpoint.testbeds.coarse import COARSE_CIFAR
from counterpoint.testbeds.figures import probe_accuracy, projection, rank
from counterpoint.testbeds.synthetic import EQUAL, EQUAL_FEATURES, FLIPS, MOST, Linear, noisy, told, unevenness

_KAPPAS, _KAPPA, _WIDTH, _LABELS = (1.01, 1.02, 1.05), 1.05, 32, 50
_DISRUPTED = EQUAL[FLIPS.index(max(FLIPS))]


def two_layers() -> Recipe:
    """A linear encoder and a linear head, trained on views that keep the sign of some features better than others."""
    return linear("two linear layers", by_view, _WIDTH, noisy(FLIPS), lambda width: Linear(width, width), scale=0.3)


def no_head(temperature: float = 0.5) -> Recipe:
    """The loss on the representation itself."""
    return simclr(temperature).varied("no head", head=None)


def reweighted(kappa: float = _KAPPA) -> Recipe:
    """SimCLR whose head scales dimension i by `kappa^-i` and learns nothing."""
    return simclr().varied("fixed head", objective=_loss, head=partial(_head, kappa))


def _head(kappa: float, width: int) -> nn.Module:
    return Reweight(width, kappa=kappa)


def _loss() -> InfoNCE:
    return InfoNCE(0.5, layout="views")


@system(
    "Projection head theory",
    title="Investigating the Benefits of Projection Head for Representation Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_projection_head.py::test_loss_is_that_of_a_naive_loop_over_reweighted_views",
    claims=(
        Claim(
            "Features are weighed more evenly before a head than after it",
            unevenness(),
            "the same model after its head",
            EQUAL_FEATURES,
            Seen(Trained(two_layers), unevenness(projection)),
            system=Trained(two_layers),
            ceiling=1.0,
            floors=(),  # a start weighs all features alike
            better="lower",
        ),
        Claim(
            "Before the head a feature that views disrupt is of more use",
            told(_DISRUPTED, _LABELS),
            "the same model after its head",
            EQUAL_FEATURES,
            Seen(Trained(two_layers), told(_DISRUPTED, _LABELS, projection)),
            system=Trained(two_layers),
            ceiling=MOST,
            floors=(),  # what the head is said to lose is what it has at the floor
        ),
        Claim(
            "Before the head the classes within the labels of the training are told better",
            probe_accuracy("fine"),
            "the same model (SupCon on coarse labels) after its head",
            COARSE_CIFAR,
            Seen(Trained(labels_alone), probe_accuracy("fine", of=projection)),
            system=Trained(labels_alone),
            ceiling=Trained(fine_labels),
            floors=(),  # the same
        ),
        Claim(
            "A fixed reweighting head improves the representation before it",
            probe_accuracy(),
            "no head",
            SELF_SUPERVISED,
            Tuned(no_head, TEMPERATURES),
            system=Tuned(reweighted, _KAPPAS),
        ),
    ),
    signal=Signal(rank, off=Trained(no_head), bed=SELF_SUPERVISED),
    setup=f"Synthetic: a linear encoder of {_WIDTH} dimensions with a linear head, the spectral loss; the feature that "
    f"is asked for is flipped in every fifth view, and {_LABELS} noisy vectors are labelled. Pictures: the useful "
    "kappa depends on the width of the representation (here 128, in the paper 512), and is chosen from "
    f"{', '.join(map(str, _KAPPAS))}, as many values as the temperature without a head. Two labels of CIFAR-10 stand "
    "for tasks that the training's objective does not fit; learned heads are SimCLR's, with BatchNorm. "
    "The fixed head is not measured on them, but on CIFAR-10's classes, and its temperature stays 0.5.",
)
def projection_head() -> Recipe:
    """Xue et al. 2024: SimCLR whose head scales dimension i by `kappa^-i` and learns nothing."""
    return reweighted().varied("Projection head theory")
