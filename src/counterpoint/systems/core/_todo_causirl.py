"""CausIRL: any two mixtures of domains must look the same to the classifier."""

from __future__ import annotations

from typing import Literal

from counterpoint.methods import Recipe
from counterpoint.objectives import Matching
from counterpoint.procedures import CutDomains
from counterpoint.systems.core._digits import run_on
from counterpoint.systems.core._labelled import SETUP, labelled
from counterpoint.systems.core._turned import domains
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.nadaraya_watson import DATA, empirical_risk
from counterpoint.systems.registry import Claim, system


def _mixtures(name: str, distance: Literal["mmd", "coral"]) -> Recipe:
    return empirical_risk().varied(
        name,
        takes=labelled("domain"),
        objective=lambda: empirical_risk().stages[0].objective() + Matching("mixture", distance),
        procedure=lambda _width: CutDomains("domain"),
    )


def coral() -> Recipe:
    """The means and covariances of the two mixtures."""
    return _mixtures("CausIRL, CORAL", "coral")


def between_domains() -> Recipe:
    """The baseline that matches every pair of domains."""
    return empirical_risk().varied(
        "MMD",
        takes=labelled("domain"),
        objective=lambda: empirical_risk().stages[0].objective() + Matching("domain", "mmd"),
    )


@system(
    "CausIRL",
    title="Invariant Causal Mechanisms through Distribution Matching",
    year=2022,
    family="core",
    mechanism="tests/systems/test_causirl.py::test_penalty_is_the_discrepancy_of_two_mixtures_of_all_domains",
    variants={"CausIRL, CORAL": coral},
    run=run_on(domains, probe_accuracy, "probe accuracy on a new domain"),
    claims=(
        Claim(
            "Matching two random mixtures of domains (MMD) generalises to new domains better than cross-entropy alone",
            "probe accuracy on an unseen domain",
            "cross-entropy, same encoder, views and steps",
        ),
        Claim(
            "So does matching their means and covariances (CORAL)",
            "probe accuracy on an unseen domain",
            "cross-entropy, same encoder, views and steps",
        ),
        Claim(
            "Matching mixtures is better than matching domains",
            "probe accuracy on an unseen domain",
            "MMD between each pair of domains",
        ),
    ),
    measure=claims(
        (probe_accuracy, lambda: causirl(), empirical_risk),
        (probe_accuracy, coral, empirical_risk),
        (probe_accuracy, lambda: causirl(), between_domains),
        data=domains,
    ),
    setup=SETUP
    + DATA
    + " The penalty has a weight of 1 and is taken on the representation. The cross-entropy is linear without a bias; "
    "for all alike accuracy is that of a logistic regression fitted on the training domains.",
)
def causirl() -> Recipe:
    """Wang et al. 2022, algorithm 1: cross-entropy and the MMD of two random mixtures of all domains."""
    return _mixtures("CausIRL", "mmd")
