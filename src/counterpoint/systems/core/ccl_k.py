"""CCL-K: a kernel on what is known of the samples says who is a positive, or a fair negative."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import KernelConditional, SupCon
from counterpoint.systems.core._pictures import TEMPERATURES, TUNED, simclr
from counterpoint.systems.core._supervised import SUPERVISED
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.figures import probe_accuracy, recall_within
from counterpoint.testbeds.weak import ATTRIBUTES, TINTED, TINTED_DIGITS, agreement, explained, shuffled
from counterpoint.views import affine

FAIR_TEMPERATURE, WIDTH, RIDGE = 0.1, 0.2, 0.01


def critic(width: int) -> nn.Module:
    """The authors' head: BatchNorm after both layers, the last without a scale or shift of its own."""
    return projection(width, hidden=(width,), norm=nn.BatchNorm1d, last=partial(nn.BatchNorm1d, width, affine=False))


def ccl_k(temperature: float = 0.5) -> Recipe:
    """Tsai et al. 2022: weakly supervised by `attributes`, with the cosine kernel."""
    objective = partial(KernelConditional, "attributes", temperature, kernel="cosine", ridge=RIDGE)
    return simclr().varied("CCL-K", takes=Takes("image", columns=("attributes",)), objective=objective, head=critic)


def shuffled_attributes() -> Recipe:
    """Attributes of other pictures."""
    return ccl_k().varied("CCL-K, attributes of others", prepare=(shuffled("attributes"),))


def coloured() -> Recipe:
    """SimCLR at the temperature of the fair form, with views that leave colours as they are."""
    view = affine(area=(0.4, 1.0), aspect=(3 / 4, 4 / 3), degrees=15.0)
    return simclr(FAIR_TEMPERATURE).varied("SimCLR, colours kept", view=view, head=critic)


def fair() -> Recipe:
    """Negatives that share the sensitive attribute `colour`: telling them apart cannot use it."""
    kernel = partial(KernelConditional, "colour", FAIR_TEMPERATURE, role="negative", width=WIDTH, ridge=RIDGE)
    return coloured().varied("CCL-K, fair", takes=Takes("image", columns=("colour",)), objective=kernel)


def shuffled_colours() -> Recipe:
    """Colours of other pictures."""
    return fair().varied("CCL-K, fair, colours of others", prepare=(shuffled("colour"),))


def labelled() -> Recipe:
    """The same with the class as the positives."""
    takes = Takes("image", schemas=("labelled",))
    return coloured().varied("SupCon, colours kept", takes=takes, objective=partial(SupCon, FAIR_TEMPERATURE))


system(
    "CCL-K",
    title="Conditional Contrastive Learning with Kernel",
    year=2022,
    family="core",
    mechanism="tests/systems/test_ccl_k.py::test_losses_of_the_systems_are_those_of_the_weights_by_inversion",
    variants={"CCL-K, fair": fair},
    sample=TINTED_DIGITS,
    claims=(
        Claim(
            "Weak supervision by attributes improves the representation",
            probe_accuracy(),
            "SimCLR",
            ATTRIBUTES,
            TUNED,
            system=Tuned(ccl_k, TEMPERATURES),
            off=Trained(shuffled_attributes),
            ceiling=SUPERVISED.ceiling,
        ),
        Claim(
            "Negatives that share a sensitive attribute make the representation forget it",
            explained("colour"),
            "SimCLR",
            TINTED,
            Trained(coloured),
            system=Trained(fair),
            off=Trained(shuffled_colours),
            ceiling=0.0,
            floors=(),
            better="lower",
        ),
        Claim(
            "Which makes it no worse at telling the classes",
            recall_within(),
            "SimCLR",
            TINTED,
            Trained(coloured),
            system=Trained(fair),
            ceiling=Trained(labelled),
            margin=0.02,
        ),
    ),
    signal=Signal(agreement("attributes"), off=Trained(shuffled_attributes), bed=ATTRIBUTES),
    setup="Weakly supervised: twelve noisy attributes of CIFAR-10's classes stand for the 126 of UT-Zappos and the 312 "
    "of CUB; cosine kernel, ridge 0.01. Fair: colours as in colour-MNIST, on Omniglot; temperature 0.1, no view "
    "changes colours, and the Gaussian kernel's width is of the order of the squared distance of two colours. Both "
    "have the authors' head. The first claim's ceiling is SupCon with twice the pictures and four times the steps. The "
    "third form, for hard negatives, conditions on the vectors themselves and is left out.",
)(ccl_k)
