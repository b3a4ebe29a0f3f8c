"""CURL: similar pairs are two draws from one latent class, which bounds the loss of a classifier by class means."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.blocks import in_blocks
from counterpoint.objectives import InfoNCE, Triplet
from counterpoint.procedures import MeanOfBlocks
from counterpoint.systems.core._classes import of_classes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Seen, Trained
from counterpoint.testbeds.beds import small_network
from counterpoint.testbeds.figures import tolerant
from counterpoint.testbeds.latent import CHARACTERS, LATENT, bound, mean_loss, on_two
from counterpoint.training import TrainConfig

_BLOCK, _ANCHORS, _MARGIN = 5, 64, 0.05
_TRAIN = TrainConfig(
    steps=150, batch_size=_ANCHORS, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1
)


def of_blocks(size: int) -> Recipe:
    """Logistic loss of inner products with the means of blocks of so many points."""
    stage = Stage(
        lambda: InfoNCE(1.0, geometry=Dot()), _TRAIN, procedure=_means, prepare=(partial(in_blocks, size=size),)
    )
    return Recipe(f"blocks of {size}", (stage,), Takes("image", schemas=("labelled",)), small_network, similarity="dot")


def _means(_width: int) -> MeanOfBlocks:
    return MeanOfBlocks()


def pairs() -> Recipe:
    """Blocks of one, with as many anchors."""
    return of_blocks(1)


def mixed(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Blocks of points that have nothing in common: labels are shuffled before they are drawn."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    shuffled = Data(data.anchors, data.anchor, columns={"label": data.columns["label"][order]}, source=data.source)
    return in_blocks(shuffled, encoder, seed, size=_BLOCK)


def without_classes() -> Recipe:
    """The same of shuffled classes."""
    return curl().varied("CURL of shuffled classes", prepare=(mixed,))


def supervised() -> Recipe:
    """Cross-entropy of the classes, on as many images a step as blocks take."""
    train = replace(_TRAIN, batch_size=_ANCHORS * (1 + 2 * _BLOCK))
    return of_classes(of_blocks(1), "supervised", CHARACTERS, views=1, prepare=(), train=train, similarity="cosine")


def hinge() -> Recipe:
    """The other loss of section 2: `max(0, 1 - f(x) . (f(x+) - f(x-)))`."""
    return curl().varied("CURL (hinge)", objective=lambda: Triplet(1.0, geometry=Dot()))


@system(
    "CURL",
    title="A Theoretical Analysis of Contrastive Unsupervised Representation Learning",
    year=2019,
    family="core",
    mechanism="tests/systems/test_curl.py::test_loss_is_that_of_a_naive_loop_over_blocks",
    variants={"CURL (hinge)": hinge},
    claims=(
        Claim(
            f"The mean classifier is nearly as good (within {_MARGIN}) as on features that were trained with labels",
            on_two,
            "supervised features, the same classifier",
            LATENT,
            Trained(supervised),
            off=Trained(without_classes),
            margin=_MARGIN,
        ),
        Claim(
            "Training on blocks of similar points improves the representation",
            on_two,
            "pairs, as many anchors and steps",
            LATENT,
            Trained(pairs),
            off=Trained(without_classes),
            ceiling=Trained(supervised),
        ),
        Claim(
            "The mean classifier's loss is within the bound that the unsupervised loss gives",
            mean_loss,
            "(L_un - tau) / (1 - tau), the same encoder",
            LATENT,
            Seen(Trained(pairs), bound(1)),
            system=Trained(pairs),
            floors=(),  # a theorem: it holds for a start, too
            better="lower",
        ),
        Claim(
            "Blocks make the bound tighter",
            bound(_BLOCK),
            "the same of pairs, the same encoder",
            LATENT,
            Seen(Trained(pairs), bound(1)),
            system=Trained(pairs),
            floors=(),  # the same
            better="lower",
        ),
    ),
    signal=Signal(tolerant, off=Trained(without_classes)),
    setup=f"{CHARACTERS} characters stand for the 100 classes of CIFAR-100 and the 3,029 of Wiki-3029: a negative is "
    f"of its anchor's own class once in {CHARACTERS} draws. One negative class an anchor; {_ANCHORS} anchors a step, "
    f"each with blocks of {_BLOCK} (11 images) or a pair (3 images): blocks cost more than three times as much. No "
    "head, no views, vectors as they are. The two bounds are theorems (lemma 4.3, proposition 6.2); losses are "
    "logistic in base 2.",
)
def curl() -> Recipe:
    """Arora et al. 2019, sections 2 and 6.2: logistic loss of inner products with means of blocks."""
    return of_blocks(_BLOCK).varied("CURL")
