"""SAS: train on the images whose views are most like the views of the other images of their kind."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.selection import greedy_cut, most_similar
from counterpoint.methods import Recipe
from counterpoint.methods.subset import Choose, by_proxy
from counterpoint.systems.core._classes import of_classes
from counterpoint.systems.core._pictures import TRAIN, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import probe_accuracy, uniform
from counterpoint.testbeds.subsets import SUBSETS, classified

FRACTION, MOST, KINDS, DRAWS, CLASSES = 0.2, 0.8, 10, 8, 10
_MARGIN = 0.01
_PROXY = replace(TRAIN, epochs=5, dtype="auto", chunk_tokens=1 << 24)


def most_alike(
    data: Data, encoder: nn.Module, seed: int, *, fraction: float = FRACTION, draws: int = DRAWS,
    choose: Choose = greedy_cut,
) -> Data:  # fmt: skip
    """What SimCLR on all of the data chooses of them."""
    proxy = replace(simclr().stages[0], train=_PROXY)
    return by_proxy(data, encoder, seed, proxy=proxy, fraction=fraction, kinds=KINDS, draws=draws, choose=choose)


def any_of_them(data: Data, encoder: nn.Module, seed: int) -> Data:
    """As many, drawn at random."""
    del encoder
    drawn = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data[drawn[: round(FRACTION * len(data))]]


def of_random() -> Recipe:
    """SimCLR on a random part."""
    return simclr().varied("a random part", prepare=(any_of_them,))


def of_most() -> Recipe:
    """SimCLR without the fifth that is least like the others."""
    return sas().varied("all but a fifth", prepare=(partial(most_alike, fraction=MOST),))


def released() -> Recipe:
    """What the authors' code chooses: pictures as they are, the greatest total similarity."""
    return sas().varied("SAS (released code)", prepare=(partial(most_alike, draws=0, choose=most_similar),))


def classifier() -> Recipe:
    """Supervised learning on what SAS chooses."""
    return of_classes(simclr(), "supervised, SAS", CLASSES, prepare=(most_alike,))


def classifier_of_random() -> Recipe:
    """Supervised learning on a random part."""
    return of_classes(simclr(), "supervised, a random part", CLASSES, prepare=(any_of_them,))


@system(
    "SAS",
    title="Data-Efficient Contrastive Self-supervised Learning: Most Beneficial Examples for Supervised Learning "
    "Contribute the Least",
    year=2023,
    family="core",
    mechanism="tests/systems/test_sas.py::test_each_kind_s_images_are_those_of_a_naive_greedy_loop",
    variants={"SAS (released code)": released},
    claims=(
        Claim(
            "Contrastive learning on images whose views are like the others' is better than on any",
            probe_accuracy(),
            "a random subset of as many",
            SUBSETS,
            Trained(of_random),
            ceiling=Trained(simclr),
        ),
        Claim(
            "What helps contrastive learning most helps supervised learning least",
            classified,
            "a random subset of as many",
            SUBSETS,
            Trained(classifier_of_random),
            system=Trained(classifier),
            ceiling=1 / CLASSES,
            floors=(),  # a head of logits that was not trained says nothing
            better="lower",
        ),
        Claim(
            f"A fifth of the images can be left out without loss (within {_MARGIN})",
            probe_accuracy(),
            "all images",
            SUBSETS,
            Trained(simclr),
            system=Trained(of_most),
            margin=_MARGIN,
        ),
    ),
    signal=Signal(uniform, off=Trained(of_random)),
    setup=f"{FRACTION:.0%} of the training pictures; probes see all. The proxy is the same encoder after "
    f"{_PROXY.epochs:.0f} epochs of SimCLR on all pictures, which are not counted; latent classes are {KINDS} clusters "
    "of k-means on it, one of the three ways of the authors' code (the others need CLIP), and similarities are means "
    f"over {DRAWS} views each. The choice is the greedy maximisation of the paper's algorithm, without its second pass "
    "of double greedy, which takes out what does not pay. The released code is a variant: its gain of a picture never "
    "falls by what is chosen already, so that it takes the greatest total similarities, of pictures without views.",
)
def sas() -> Recipe:
    """Joshi and Mirzasoleiman 2023: the subset is chosen first, and SimCLR is trained on it."""
    return simclr().varied("SAS", prepare=(most_alike,))
