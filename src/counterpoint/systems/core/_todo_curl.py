"""CURL: similar pairs are two draws from one latent class, which bounds the loss of a classifier by class means."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.images import Images
from counterpoint.data.items import Data
from counterpoint.encoders.image import PixelEncoder
from counterpoint.evaluate import collision, mean_classifier, mean_classifier_loss
from counterpoint.geometry import Dot
from counterpoint.methods import Prepare, Recipe, Stage
from counterpoint.objectives import InfoNCE, Triplet
from counterpoint.points import Points
from counterpoint.procedures import Call, MeanOfBlocks
from counterpoint.systems.core._digits import encoder, halves, run_on, trained
from counterpoint.systems.core._labelled import labelled
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.training import TrainConfig

_BLOCK, _IMAGES, _STEPS, _DRAWS = 5, 360, 300, 20_000


def draw(labels: Int[Tensor, " n"], anchors: Int[Tensor, " b"], size: int) -> tuple[Tensor, Tensor]:
    """For each anchor the rows `(b, size)` of a block of its own class, and of a block of a class drawn at random.

    Rows are drawn independently, with replacement, so that both may be of one class and a row may be drawn twice.
    """
    order = torch.argsort(labels, stable=True)
    sizes = torch.bincount(labels)
    starts = sizes.cumsum(0) - sizes

    def block(of: Tensor) -> Tensor:
        place = (torch.rand(len(of), size) * sizes[of][:, None]).long()
        return order[starts[of][:, None] + place]

    return block(labels[anchors]), block(labels[torch.randint(len(labels), (len(anchors),))])


def contrasted(z: Float[Tensor, "b d"], positive: Float[Tensor, "b s d"], negative: Float[Tensor, "b s d"]) -> Call:
    """What the objective sees: an anchor, the mean of its block and the mean of the other block."""
    keys = torch.cat([positive.flatten(0, 1), negative.flatten(0, 1)])
    return MeanOfBlocks().change({"queries": Points(z), "keys": Points(keys)})


def blocks(size: int) -> Prepare:
    """Draws what all steps see: images as anchors, each with a block of its class and a block of another draw."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            anchors = torch.randint(len(data), (_STEPS * _anchors(size),))
            positive, negative = draw(data.columns["label"], anchors, size)
        every = data.anchor
        return Data(data.anchors, every[anchors], data.anchors, every[positive], every[negative], source=data.source)

    return prepare


def _anchors(size: int) -> int:
    """As many images a step whatever the block."""
    return _IMAGES // (1 + 2 * size)


def _named(images: Images) -> list[str]:
    return [str(label) for label in images.labels.tolist()]


def unsupervised_loss(z: Float[Tensor, "n d"], labels: Int[Tensor, " n"], size: int, seed: int) -> float:
    """`L_un`, with base-2 logarithms, where the classes' points are these; over many draws."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        anchors = torch.randint(len(z), (_DRAWS,))
        positive, negative = draw(labels, anchors, size)
        return float(curl().stages[0].objective()(**contrasted(z[anchors], z[positive], z[negative]))) / math.log(2)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = halves(seed)
    fitted, held = map(_named, parts)
    tau, right = collision(held), []
    for recipe in (curl(), pairs()):
        model, _ = trained(recipe, parts[0], seed)
        x, y = (model.encode(part.pixels) for part in parts)
        right.append(float((mean_classifier(x, fitted, y) == np.array(held)).mean()))
    # y is of the encoder that was trained on pairs
    plain, whole = (unsupervised_loss(torch.from_numpy(y), parts[1].labels, size, seed) for size in (1, _BLOCK))
    bound, tighter, loss = (plain - tau) / (1 - tau), (whole - tau) / (1 - tau), mean_classifier_loss(y, held)
    figures = {"tau": tau, "L_un": plain, "L_un of blocks": whole}
    return ((right[0], right[1]), (loss, bound), (tighter, bound)), figures


def _accuracy(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    del head
    (x, y), (fitted, held) = (model.encode(part.pixels) for part in parts), map(_named, parts)
    return float((mean_classifier(x, fitted, y) == np.array(held)).mean())


def pairs() -> Recipe:
    """The baseline: blocks of one."""
    return _in_blocks("CURL, pairs", 1)


def hinge() -> Recipe:
    """The other loss of section 2: `max(0, 1 - f(x) . (f(x+) - f(x-)))`."""
    return curl().varied("CURL (hinge)", objective=lambda: Triplet(1.0, mining="hard", geometry=Dot()))


def _in_blocks(name: str, size: int) -> Recipe:
    settings = TrainConfig(
        batch_size=_anchors(size), steps=_STEPS, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1
    )
    stage = Stage(
        lambda: InfoNCE(1.0, geometry=Dot()),
        settings,
        procedure=lambda _width: MeanOfBlocks(),
        prepare=(blocks(size),),
    )
    return Recipe(name, (stage,), labelled(), encoder, similarity="dot")


@system(
    "CURL",
    title="A Theoretical Analysis of Contrastive Unsupervised Representation Learning",
    year=2019,
    family="core",
    mechanism="tests/systems/test_curl.py::test_loss_is_that_of_a_naive_loop_over_blocks",
    variants={"CURL (hinge)": hinge},
    run=run_on(metric=_accuracy, what="accuracy of the mean classifier"),
    claims=(
        Claim(
            "Training on blocks of similar points improves the representation",
            "accuracy of the mean classifier",
            "pairs, as many images and steps",
        ),
        Claim(
            "The mean classifier's loss is within the bound that the unsupervised loss gives",
            "loss of the mean classifier on two classes, held-out images",
            "(L_un - tau) / (1 - tau)",
            "lower",
        ),
        Claim(
            "Blocks make the bound tighter",
            "(L_un - tau) / (1 - tau) of blocks, held-out images, one encoder",
            "the same of pairs",
            "lower",
        ),
    ),
    measure=_measure,
    setup="scikit-learn digits, half of each class for test; the digit is the latent class, from which similar points "
    f"are drawn, as the paper draws them on CIFAR-100; no views. One negative class an anchor, blocks of {_BLOCK}; a "
    f"residual network of 16, 32, 64 channels, {_STEPS} steps of {_IMAGES} images, AdamW at 1e-3: with as many "
    f"images, blocks leave {_IMAGES // (1 + 2 * _BLOCK)} anchors a step where pairs leave {_IMAGES // 3}. Losses are "
    f"logistic in base 2, over {_DRAWS:,} draws; the two bounds are theorems (lemma 4.3, proposition 6.2).",
)
def curl() -> Recipe:
    """Arora et al. 2019, sections 2 and 6.3: logistic loss of inner products with means of blocks."""
    return _in_blocks("CURL", _BLOCK)
