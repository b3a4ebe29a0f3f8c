"""Bounds on mutual information as objectives: encoder and critic decide what is learned, not how tight the bound is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.config import Config
from counterpoint.critics import Concatenated, bilinear
from counterpoint.data.images import Images, digits, read_images
from counterpoint.encoders.invertible import Invertible
from counterpoint.geometry import Geometry
from counterpoint.heads import projection
from counterpoint.objectives import NWJ, InfoNCE, Objective
from counterpoint.systems.core._probe import standardised_accuracy
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import Payload, TrainConfig, train
from counterpoint.training.payload import Arguments

_STEPS = 400

MakeEncoder = Callable[[int], nn.Module]


def halves(images: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """The pixels above and below the middle; a row in the middle is in neither."""
    rows = images.shape[2] // 2
    return images[:, :, :rows].flatten(1), images[:, :, -rows:].flatten(1)


class Halves(nn.Module):
    """One encoder for the top half of an image and another for the bottom half: `(n, c, h, w)` to `(n, 2, d)`."""

    def __init__(self, make: MakeEncoder, width: int) -> None:
        super().__init__()
        self.top, self.bottom = make(width), make(width)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2 d"]:
        """Both halves' vectors."""
        top, bottom = halves(images)
        return torch.stack([self.top(top), self.bottom(bottom)], 1)


class HalfBatches:
    """Images whose two halves are the views: the top is the query, the bottom its key."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These images, whole."""
        del among

        def arguments(z: Float[Tensor, "n 2 d"]) -> Arguments:
            return {"queries": z[:, 0], "keys": z[:, 1]}

        cost = torch.ones(len(rows), dtype=torch.long)
        return Payload(self._images.pixels[rows], cost, lambda x, chunk: x[chunk], arguments)


def perceptron(width: int) -> nn.Module:
    """An encoder that may lose what it likes."""
    return projection(width, hidden=(128,))


def joint(width: int) -> Geometry:
    """A critic of high capacity: a perceptron on both vectors of a pair."""
    return Concatenated(projection(2 * width, hidden=(64, 64), out=1))


class Learned:
    """Encoders of the halves of the training images, and what became of them."""

    def __init__(self, parts: tuple[Images, Images], make: MakeEncoder, objective: Objective, seed: int) -> None:
        self.parts, self.objective = parts, objective
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = Halves(make, width_of(parts[0]))
            settings = mutual_information().train
            epochs = (_STEPS - 0.5) / (len(parts[0]) // settings.batch_size)
            train(self.model, HalfBatches(parts[0]), objective, replace(settings, epochs=epochs, seed=seed))

    def accuracy(self) -> float:
        """Of a linear probe on the vectors of top halves."""
        with torch.no_grad():
            first, second = (self.model(part.pixels)[:, 0] for part in self.parts)
        return standardised_accuracy((first, second), (self.parts[0].labels, self.parts[1].labels))

    def information(self) -> float:
        """The estimate, in nats, on test images."""
        with torch.no_grad():
            top, bottom = self.model(self.parts[1].pixels).unbind(1)
            guess = self.objective.guess(len(top), len(bottom))
            assert guess is not None
            return guess - float(self.objective(top, bottom))


def width_of(images: Images) -> int:
    """Numbers in half an image."""
    return halves(images.pixels[:1])[0].shape[1]


def _pixels(parts: tuple[Images, Images]) -> float:
    """Of a probe on top halves as they are, which is where an invertible encoder starts."""
    first, second = (halves(part.pixels)[0] for part in parts)
    return standardised_accuracy((first, second), (parts[0].labels, parts[1].labels))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    width = width_of(parts[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objectives: dict[str, tuple[MakeEncoder, Objective]] = {
            "invertible": (Invertible, InfoNCE(1.0, geometry=bilinear(width))),
            "InfoNCE, bilinear": (perceptron, InfoNCE(1.0, geometry=bilinear(width))),
            "InfoNCE, joint": (perceptron, InfoNCE(1.0, geometry=joint(width))),
            "NWJ, bilinear": (perceptron, NWJ(geometry=bilinear(width))),
        }
    learned = {name: Learned(parts, make, bound, seed) for name, (make, bound) in objectives.items()}
    right = {name: one.accuracy() for name, one in learned.items()}
    nats = {name: one.information() for name, one in learned.items()}
    claims = (
        (right["invertible"], _pixels(parts)),
        (right["InfoNCE, bilinear"], right["InfoNCE, joint"]),
        (nats["InfoNCE, joint"], nats["InfoNCE, bilinear"]),
    )
    figures = {f"probe accuracy, {name}": value for name, value in right.items()}
    return claims, figures | {f"nats, {name}": value for name, value in nats.items()}


def _run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
    """Invertible encoders of the halves of images, digits or the user's `.npz`."""
    from safetensors.torch import save_file

    from counterpoint.files import atomic

    images = digits() if source is None else read_images(source)
    parts = images.split()
    say(
        f"{images.source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test; their halves are the views"
    )
    learned = Learned(parts, Invertible, InfoNCE(1.0, geometry=bilinear(width_of(images))), 0)
    with atomic(output / "encoder.safetensors") as part:
        save_file(learned.model.state_dict(), part)
    return {
        "pixels of the top half: probe accuracy": _pixels(parts),
        f"{config.name}: probe accuracy": learned.accuracy(),
        "InfoNCE's estimate, nats": learned.information(),
    }


@system(
    "On MI Maximization",
    title="On Mutual Information Maximization for Representation Learning",
    year=2019,
    family="core",
    mechanism="tests/systems/test_mutual_information.py::test_the_encoder_loses_nothing_and_the_probe_still_changes",
    run=_run,
    claims=(
        Claim(
            "Maximising a bound on mutual information improves an invertible encoder, which keeps it constant",
            "probe accuracy on top halves",
            "the start, the pixels themselves",
        ),
        Claim(
            "A critic of less capacity gives the better representation",
            "probe accuracy on top halves, bilinear critic",
            "a perceptron on both vectors",
        ),
        Claim(
            "A critic of more capacity gives the tighter bound",
            "InfoNCE's estimate on test images in nats, a perceptron on both vectors",
            "bilinear critic",
        ),
    ),
    measure=_measure,
    setup="scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; the top and the bottom half are "
    "the views, each with an encoder of its own (8 coupling layers, or one hidden layer of 128), as on MNIST in the "
    f"paper. {_STEPS} steps of batches of 128, AdamW at 1e-3. Probes: logistic regression on standardised features.",
)
def mutual_information() -> Config:
    """Tschannen et al. 2020, section 3: InfoNCE between the halves of an image, invertible encoders, bilinear critic.

    The critic here is that of digits, whose halves have 32 pixels.
    """
    return Config(
        "On MI Maximization",
        lambda: InfoNCE(1.0, geometry=bilinear(32)),
        TrainConfig(batch_size=128, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1),
        similarity="dot",
    )
