"""CURL: similar pairs are two draws from one latent class, which bounds the loss of a classifier by class means."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.config import Config
from counterpoint.data.images import Images, digits, read_images
from counterpoint.encoders.image import ImageEncoder
from counterpoint.evaluate import collision, mean_classifier, mean_classifier_loss
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Objective, Triplet
from counterpoint.points import Points
from counterpoint.systems.core._digits import encoder
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import Payload, TrainConfig, train
from counterpoint.training.payload import Arguments

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


def contrasted(
    z: Float[Tensor, "b d"], positive: Float[Tensor, "b s d"], negative: Float[Tensor, "b s d"]
) -> Arguments:
    """What the objective sees: an anchor, the mean of its block and the mean of the other block."""
    owned = torch.stack([positive.mean(1), negative.mean(1)], 1)
    return {"queries": Points(z), "owned": Points(owned, positive=torch.tensor([1.0, 0.0]).expand(len(z), 2))}


class BlockBatches:
    """Images as anchors, each with a block of its latent class and a block of another draw."""

    def __init__(self, images: Images, size: int) -> None:
        self._images, self._size = images, size

    def __len__(self) -> int:
        return len(self._images)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The anchors, then their blocks, then the others'."""
        del among
        n, size = len(rows), self._size
        every = torch.cat([rows, *(part.flatten() for part in draw(self._images.labels, rows, size))])

        def arguments(z: Float[Tensor, "n d"]) -> Arguments:
            return contrasted(z[:n], *(part.unflatten(0, (n, size)) for part in z[n:].chunk(2)))

        inputs = self._images.pixels[every]
        return Payload(inputs, torch.ones(len(every), dtype=torch.long), lambda x, chunk: x[chunk], arguments)


def _trained(images: Images, seed: int, size: int) -> ImageEncoder:
    """As many images a step whatever the block, and as many steps."""
    model, anchors = encoder(images, seed), _IMAGES // (1 + 2 * size)
    epochs = (_STEPS - 0.5) / (len(images) // anchors)
    settings = replace(curl().train, batch_size=anchors, epochs=epochs, seed=seed, validations=1)
    train(model, BlockBatches(images, size), curl().objective(), settings)
    return model


def _named(images: Images) -> list[str]:
    return [str(label) for label in images.labels.tolist()]


def unsupervised_loss(z: Float[Tensor, "n d"], labels: Int[Tensor, " n"], size: int, seed: int) -> float:
    """`L_un`, with base-2 logarithms, where the classes' points are these; over many draws."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        anchors = torch.randint(len(z), (_DRAWS,))
        positive, negative = draw(labels, anchors, size)
        return float(curl().objective()(**contrasted(z[anchors], z[positive], z[negative]))) / math.log(2)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    fitted, held = map(_named, parts)
    tau, right = collision(held), []
    for size in (_BLOCK, 1):
        model = _trained(parts[0], seed, size)
        x, y = (model.encode(part.pixels) for part in parts)
        right.append(float((mean_classifier(x, fitted, y) == np.array(held)).mean()))
    # y is of the encoder that was trained on pairs
    plain, blocks = (unsupervised_loss(torch.from_numpy(y), parts[1].labels, size, seed) for size in (1, _BLOCK))
    bound, tighter, loss = (plain - tau) / (1 - tau), (blocks - tau) / (1 - tau), mean_classifier_loss(y, held)
    figures = {"tau": tau, "L_un": plain, "L_un of blocks": blocks}
    return ((right[0], right[1]), (loss, bound), (tighter, bound)), figures


def _run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
    """Train on half of the images, digits or the user's `.npz`; the bound and the mean classifier on the other half."""
    from safetensors.torch import save_file

    from counterpoint.files import atomic

    del config
    parts = (digits() if source is None else read_images(source)).split()
    say(f"{parts[0].source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
    model, (fitted, held) = _trained(parts[0], 0, _BLOCK), map(_named, parts)
    x, y = (model.encode(part.pixels) for part in parts)
    with atomic(output / "encoder.safetensors") as part:
        save_file(model.state_dict(), part)
    tau = collision(held)
    loss = unsupervised_loss(torch.from_numpy(y), parts[1].labels, _BLOCK, 0)
    return {
        "mean classifier: accuracy": float((mean_classifier(x, fitted, y) == np.array(held)).mean()),
        "mean classifier: loss on two classes": mean_classifier_loss(y, held),
        "its bound": (loss - tau) / (1 - tau),
    }


def hinge() -> Config:
    """The other loss of section 2: `max(0, 1 - f(x) . (f(x+) - f(x-)))`."""
    return replace(curl(), name="CURL (hinge)", objective=lambda: Triplet(1.0, mining="hard", geometry=Dot()))


def _logistic() -> Objective:
    return InfoNCE(1.0, geometry=Dot())


@system(
    "CURL",
    title="A Theoretical Analysis of Contrastive Unsupervised Representation Learning",
    year=2019,
    family="core",
    mechanism="tests/systems/test_curl.py::test_loss_is_that_of_a_naive_loop_over_blocks",
    variants={"CURL (hinge)": hinge},
    run=_run,
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
def curl() -> Config:
    """Arora et al. 2019, sections 2 and 6.3: logistic loss of inner products with means of blocks."""
    anchors = _IMAGES // (1 + 2 * _BLOCK)
    settings = TrainConfig(batch_size=anchors, learning_rate=1e-3, weight_decay=1e-4, dtype="float32")
    return Config("CURL", _logistic, settings, similarity="dot")
