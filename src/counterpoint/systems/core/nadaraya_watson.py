"""Invariant Nadaraya-Watson head: classes by a softmax over images of one domain at a time."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F

from counterpoint.geometry import Euclidean, Temperature
from counterpoint.methods import Recipe
from counterpoint.objectives import Pool, Pooled
from counterpoint.procedures import OneDomain
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.core._supervised import RATES, cross_entropy, labelled, rated
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.domains import KNOWN_DOMAIN, NEW_DOMAIN, TURNED_DIGITS, domain_gap

RATE, BATCH, SHOTS, TEMPERATURE = 2e-3, 128, 4, 0.2


def nadaraya_watson(rate: float = RATE) -> Recipe:
    """Wang et al. 2023, equations 1 to 3: `softmax(-|x - x_i| / t)` over the support of one domain, summed by class."""
    return _on("Invariant NW head", "domain", rate)


def mixed_support(rate: float = RATE) -> Recipe:
    """A support of the same size from all domains: columns `mixed` are groups that say nothing."""
    return _on("NW head, mixed support", "mixed", rate)


def _on(name: str, column: str, rate: float) -> Recipe:
    relation = Relation(same("label"), ignored=same("sample"))
    recipe = rated(simclr(), rate).varied(
        name,
        takes=labelled(column),
        objective=lambda: Pooled(
            Pool(sharpness=-1.0),
            Pool(),
            outer=F.softplus,
            temperature=Temperature(TEMPERATURE),
            geometry=Euclidean(),
            relation=relation,
        ),
        head=None,
        procedure=lambda _width: OneDomain(column, SHOTS),
    )
    return recipe.varied(name, train=replace(recipe.stages[0].train, batch_size=BATCH))


def known() -> Recipe:
    """The system where the domain is known."""
    return nadaraya_watson().varied("Invariant NW head, domain known")


_CEILING = Richer(Trained(known), KNOWN_DOMAIN)
system(
    "Invariant NW head",
    title="Learning Invariant Representations with a Nonparametric Nadaraya-Watson Head",
    year=2023,
    family="core",
    mechanism="tests/systems/test_nadaraya_watson.py::test_loss_is_that_of_the_head_on_a_balanced_support_of_one_domain",
    variants={"NW head, mixed support": mixed_support},
    sample=TURNED_DIGITS,
    claims=(
        Claim(
            "A support of one domain a step generalises to new domains better than cross-entropy",
            accuracy(its_classifier),
            "cross-entropy, same encoder, views and epochs",
            NEW_DOMAIN,
            Tuned(cross_entropy, RATES),
            system=Tuned(nadaraya_watson, RATES),
            off=Trained(mixed_support),
            ceiling=_CEILING,
        ),
        Claim(
            "And better than a support from all domains",
            accuracy(its_classifier),
            "the same with a support from all domains",
            NEW_DOMAIN,
            Tuned(mixed_support, RATES),
            system=Tuned(nadaraya_watson, RATES),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(domain_gap, off=Trained(mixed_support)),
    setup="PACS from a network that knows CIFAR-10; the paper has hospitals and satellites, too. The first views of a "
    "batch of 128 are queries; of the second views of one domain, drawn anew in each step, four of each class are the "
    "support, which the authors draw from all training data, and a query does not see its own picture. Distances of a "
    "small network are short, so they are divided by a temperature that is learned, from 0.2 on (theirs are plain, of "
    "1,024 dimensions and more). All learning rates are the best of three on a training domain that is left out. At "
    "test all training images are the support; their random, cluster and ensemble supports are left out. The explicit "
    "variant, which needs two supports a step and which they find about as good, is left out. At the ceiling half of "
    "the new domain is trained on and in the support.",
)(nadaraya_watson)
