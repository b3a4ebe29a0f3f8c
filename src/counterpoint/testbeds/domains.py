"""New domains: digits turned by another angle, the pictures of another kind."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.angles import turned
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import OWN_RATE, PACS, digit_halves, network, small_network
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.pictures import cifar10, pacs
from counterpoint.testbeds.starts import classified

STEP, TURNS = 15, 5


def turned_domains(seed: int) -> Parts:
    """Half of the digits in five domains, turned by 0, 15, ... 60 degrees; the other half turned by 75, a new one.

    Columns: `label`, `domain`, and `mixed`: groups of the domains' sizes that say nothing.
    """
    train, test = digit_halves(seed)
    generator = torch.Generator().manual_seed(seed)
    domain = torch.arange(len(train[0]))[torch.randperm(len(train[0]), generator=generator)] % TURNS
    new = torch.full((len(test[0]),), float(STEP * TURNS))
    pixels = turned(train[0], STEP * domain.float()), turned(test[0], new)
    made = [
        Data.alone(Items("image", x), source="turned digits", label=label)
        for x, (_, label) in zip(pixels, (train, test), strict=True)
    ]
    return _grouped(made[0], domain, generator), made[1]


def new_domain(seed: int) -> Parts:
    """PACS of 32 x 32 pixels: three domains to train on, and half of the fourth, number `seed % 4`, for test."""
    return _with_new(seed, known=False)


def known_domain(seed: int) -> Parts:
    """The same where the other half of the fourth domain is trained on, too: what could be reached."""
    return _with_new(seed, known=True)


def _with_new(seed: int, *, known: bool) -> Parts:
    train, test = pacs(seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(test), generator=generator)
    held, rest = test[order[: len(test) // 2]], test[order[len(test) // 2 :]]
    if known:
        items = Items("image", torch.cat([part.anchors.tensor[part.anchor] for part in (train, rest)]))
        columns = {name: torch.cat([train.columns[name], rest.columns[name]]) for name in train.columns}
        train = Data.alone(items, source="PACS", classes=train.classes, **columns)
    return _grouped(train, train.columns["domain"], generator), held


def _grouped(data: Data, domain: Tensor, generator: torch.Generator) -> Data:
    mixed = domain[torch.randperm(len(domain), generator=generator)]
    return replace(data, columns={**data.columns, "domain": domain, "mixed": mixed})


def _domain_gap(made: Made) -> float:
    z, domain = torch.from_numpy(representation(made, made.train)), made.train.columns["domain"]
    means = torch.stack([z[domain == each].mean(0) for each in domain.unique()])
    return float(means.var(0).sum() / z.var(0).sum())


domain_gap = Figure("share of the representation's variance between training domains", _domain_gap)


TURNED_DIGITS = Testbed(
    "turned digits, new angle",
    turned_domains,
    f"scikit-learn digits: one half in five domains, turned by 0 to {STEP * (TURNS - 1)} degrees, the other, turned by "
    f"{STEP * TURNS}, for test; a residual network of 16, 32, 64 channels from scratch, 30 epochs of two views",
    small_network,
    epochs=30,
    raw=PIXELS,
    apart="domain",
)


def pretrained(data: Data, seed: int) -> nn.Module:
    """The network after 10 epochs of labelled CIFAR-10, 10,000 pictures; the same for all, as ImageNet's are."""
    del data, seed
    return copy.deepcopy(_on_cifar())


@cache
def _on_cifar() -> nn.Module:
    return classified(cifar10(most=10_000)[0], network, 10, 0)


NEW_DOMAIN = replace(
    PACS,
    name="PACS, new domain",
    parts=new_domain,
    about="PACS (1,200 pictures of six classes in four domains, 32 x 32), half of one domain, by turns, for test; a "
    "residual network of 32, 64, 128 channels (GroupNorm, standardised weights) after 10 epochs of labelled CIFAR-10, "
    "30 epochs of two views, AdamW at the method's rate; settings are chosen on another domain that is left out",
    start=pretrained,
    settings=OWN_RATE,
    apart="domain",
)


KNOWN_DOMAIN = replace(NEW_DOMAIN, name="PACS, all domains", parts=known_domain)
"""Its training part has the other half of the test's domain."""
