"""CausIRL: any two mixtures of domains must look the same to the classifier."""

from __future__ import annotations

from typing import Literal

from torch import nn

from counterpoint.heads import Several, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import Logits, Matching, Part
from counterpoint.procedures import CutDomains
from counterpoint.systems.core._supervised import CLASSES, RATES, cross_entropy, labelled
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.domains import KNOWN_DOMAIN, NEW_DOMAIN, TURNED_DIGITS, domain_gap

RATE, WEIGHTS = 2e-3, (0.1, 1.0, 10.0)
"""The penalty's weights are of the range that the authors' benchmark draws from."""


def beside_logits(width: int) -> nn.Module:
    """The representation, where distributions are matched, and the classifier's logits behind it."""
    return Several(nn.Identity(), projection(width, out=CLASSES))


def _matched(name: str, column: str, distance: Literal["mmd", "coral"], weight: float) -> Recipe:
    return cross_entropy(RATE).varied(
        name,
        takes=labelled("domain"),
        objective=lambda: Part(Logits(CLASSES), -CLASSES) + weight * Part(Matching(column, distance), 0, -CLASSES),
        head=beside_logits,
        procedure=lambda _width: CutDomains("domain"),
    )


def causirl(weight: float = 1.0) -> Recipe:
    """Wang et al. 2022, algorithm 1: cross-entropy and the MMD of two random mixtures of all domains."""
    return _matched("CausIRL", "mixture", "mmd", weight)


def coral(weight: float = 1.0) -> Recipe:
    """The means and covariances of the two mixtures."""
    return _matched("CausIRL, CORAL", "mixture", "coral", weight)


def between_domains(weight: float = 1.0) -> Recipe:
    """What matches every pair of domains."""
    return _matched("MMD", "domain", "mmd", weight)


def known() -> Recipe:
    """Cross-entropy where the domain is known."""
    return cross_entropy(RATE).varied("cross-entropy, domain known")


_ERM = Tuned(cross_entropy, RATES)
_CEILING = Richer(Trained(known), KNOWN_DOMAIN)
system(
    "CausIRL",
    title="Invariant Causal Mechanisms through Distribution Matching",
    year=2022,
    family="core",
    mechanism="tests/systems/test_causirl.py::test_loss_is_cross_entropy_and_the_discrepancy_of_two_mixtures",
    variants={"CausIRL, CORAL": coral},
    sample=TURNED_DIGITS,
    claims=(
        Claim(
            "Matching two random mixtures of domains (MMD) generalises to new domains better than cross-entropy alone",
            accuracy(its_classifier),
            "cross-entropy, same encoder, views and steps",
            NEW_DOMAIN,
            _ERM,
            system=Tuned(causirl, WEIGHTS),
            ceiling=_CEILING,
        ),
        Claim(
            "So does matching their means and covariances (CORAL)",
            accuracy(its_classifier),
            "cross-entropy, same encoder, views and steps",
            NEW_DOMAIN,
            _ERM,
            system=Tuned(coral, WEIGHTS),
            ceiling=_CEILING,
        ),
        Claim(
            "Matching mixtures is better than matching domains",
            accuracy(its_classifier),
            "MMD between each pair of domains",
            NEW_DOMAIN,
            Tuned(between_domains, WEIGHTS),
            system=Tuned(causirl, WEIGHTS),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(domain_gap, off=Trained(cross_entropy)),
    setup="PACS from a network that knows CIFAR-10, where the paper fine-tunes ResNet-50. The penalty is taken on the "
    "representation; its weight, and cross-entropy's learning rate in its place, is the best of three by "
    "accuracy on a training domain that is left out. SimCLR's views for all. Accuracy is that of the classifier "
    "that was trained; of pixels and the untrained network that of a logistic regression. At the ceiling "
    "cross-entropy has half of the new domain to train on.",
)(causirl)
