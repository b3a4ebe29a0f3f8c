"""Poly-View: many views of few samples, each told from all other samples by the views that are left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from counterpoint.geometry import Dot
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import RestOfViews
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, TUNED, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.contrast import own
from counterpoint.testbeds.figures import probe_accuracy

VIEWS, ENCODED = 8, 512
_OWN = same("sample") & same("view")
_SIBLINGS = same("sample") & ~same("view")


def of_views(name: str, objective: Callable[[], Objective], views: int = VIEWS) -> Recipe:
    """SimCLR with so many views, and so few samples that a step encodes as many pictures as SimCLR's."""
    train = replace(simclr().stages[-1].train, batch_size=ENCODED // views)
    return simclr().varied(name, objective=objective, views=views, train=train)


def geometric(temperature: float = 0.5, views: int = VIEWS) -> Recipe:
    """Shidani et al. 2024, equation 12: the mean over the other views, each alone against all other samples."""
    return of_views("Poly-View", partial(InfoNCE, temperature), views)


def arithmetic(temperature: float = 0.5) -> Recipe:
    """Equation 11: the mean over the other views inside the logarithm."""
    return of_views("Poly-View, arithmetic", partial(InfoNCE, temperature, average="inside"))


def statistics(temperature: float = 0.5) -> Recipe:
    """Section 2.4, sufficient statistics: a view and the mean of the other views, against such means of others."""
    objective = partial(InfoNCE, temperature, geometry=Dot(), relation=Relation(_OWN, ignored=_SIBLINGS))
    return of_views("Poly-View, sufficient statistics", objective).varied(
        "Poly-View, sufficient statistics", procedure=_rest
    )


def four(temperature: float = 0.5) -> Recipe:
    """Half as many views of twice as many samples."""
    return geometric(temperature, VIEWS // 2).varied("Poly-View, four views")


def _rest(_width: int) -> RestOfViews:
    return RestOfViews()


system(
    "Poly-View",
    title="Poly-View Contrastive Learning",
    year=2023,
    family="core",
    mechanism="tests/systems/test_poly_view.py::test_geometric_and_arithmetic_losses_are_those_of_a_naive_loop",
    variants={"Poly-View, arithmetic": arithmetic, "Poly-View, sufficient statistics": statistics},
    claims=(
        Claim(
            "Many views of fewer samples are better than two views, at as many encoded views",
            probe_accuracy(),
            "SimCLR with as many encoded views a step",
            SELF_SUPERVISED,
            TUNED,
            system=Tuned(geometric, TEMPERATURES),
        ),
        Claim(
            "Sufficient statistics of many views are better than two views, at as many encoded views",
            probe_accuracy(),
            "SimCLR with as many encoded views a step",
            SELF_SUPERVISED,
            TUNED,
            system=Tuned(statistics, TEMPERATURES),
        ),
        Claim(
            "The more views, the better, at as many encoded views",
            probe_accuracy(),
            "half as many views of twice as many samples",
            SELF_SUPERVISED,
            Tuned(four, TEMPERATURES),
            system=Tuned(geometric, TEMPERATURES),
        ),
    ),
    signal=Signal(own, off=Trained(simclr)),
    setup=f"{VIEWS} views of {ENCODED // VIEWS} pictures against two of {ENCODED // 2}: as many views in a step, as "
    "many steps. The temperature is chosen for each side from three. Head and views are SimCLR's. Of sufficient "
    "statistics the negatives are taken to be the other samples' means, each over all of its views but one.",
)(geometric)
