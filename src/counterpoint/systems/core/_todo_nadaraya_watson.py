"""Invariant Nadaraya-Watson head: classes by a softmax over images of one domain at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.geometry import Dot, Euclidean
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Pool, Pooled, Proxies
from counterpoint.procedures import OneDomain
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import run_on
from counterpoint.systems.core._labelled import CLASSES, SETUP, WIDTH, at_most, base, labelled
from counterpoint.systems.core._turned import DOMAINS, STEP, domains
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.registry import Claim, system

DATA = (
    f" The training half is in {DOMAINS} domains, turned by 0 to {STEP * (DOMAINS - 1)} degrees; the test half, turned "
    f"by {STEP * DOMAINS}, is a domain that training never sees."
)


def head_accuracy(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Of the Nadaraya-Watson head on test images, all training images its support."""
    support, queries = (head(torch.from_numpy(model.encode(part.pixels))).detach() for part in parts)
    weight = torch.softmax(-torch.cdist(queries, support), 1)
    votes = weight @ F.one_hot(parts[0].labels, CLASSES).to(weight)
    return float((votes.argmax(1) == parts[1].labels).float().mean())


def empirical_risk() -> Recipe:
    """The baseline that knows of no domains: cross-entropy."""
    return base().varied(
        "ERM",
        prepare=(at_most(CLASSES),),
        own_start=True,
        objective=lambda: Proxies(InfoNCE(1.0, geometry=Dot()), CLASSES, WIDTH),
    )


def mixed_support() -> Recipe:
    """A support of the same size from all domains: columns `mixed` are groups that say nothing."""
    return nadaraya_watson().varied(
        "NW head, mixed support", takes=labelled("mixed"), procedure=lambda _width: OneDomain("mixed", DOMAINS)
    )


@system(
    "Invariant NW head",
    title="Learning Invariant Representations with a Nonparametric Nadaraya-Watson Head",
    year=2023,
    family="core",
    mechanism="tests/systems/test_nadaraya_watson.py::test_loss_is_that_of_the_head_on_the_support_of_one_domain",
    variants={"NW head, mixed support": mixed_support},
    run=run_on(domains, probe_accuracy, "probe accuracy on a new domain"),
    claims=(
        Claim(
            "A support of one domain a step generalises to new domains better than cross-entropy",
            "probe accuracy on an unseen domain",
            "cross-entropy, same encoder, views and steps",
        ),
        Claim(
            "And better than a support from all domains",
            "accuracy of the head on an unseen domain",
            "the same with a support from all domains",
        ),
    ),
    measure=claims(
        (probe_accuracy, lambda: nadaraya_watson(), empirical_risk),
        (head_accuracy, lambda: nadaraya_watson(), mixed_support),
        data=domains,
    ),
    setup=SETUP
    + DATA
    + " The first views of a batch are queries, the second views of one domain, some 13, are the support, which does "
    "not balance classes; a query whose class it lacks does not count. At test all training images are its support. "
    "The explicit variant, a penalty on predictions that differ between domains, is left out.",
)
def nadaraya_watson() -> Recipe:
    """Wang et al. 2023, equations 1 to 3: `softmax(-|x - x_i|)` over the support of one domain, summed by class."""
    return base().varied(
        "Invariant NW head",
        takes=labelled("domain"),
        objective=lambda: Pooled(
            Pool(sharpness=-1.0),
            Pool(),
            outer=F.softplus,
            geometry=Euclidean(),
            relation=Relation(same("label"), ignored=same("sample")),
        ),
        procedure=lambda _width: OneDomain("domain", DOMAINS),
    )
