"""Bounds on mutual information as objectives: encoder and critic decide what is learned, not how tight the bound is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.critics import Concatenated, bilinear
from counterpoint.data.images import Images
from counterpoint.data.items import Data
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.invertible import Invertible
from counterpoint.encoders.towers import Towers
from counterpoint.geometry import Geometry
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import NWJ, InfoNCE, Objective
from counterpoint.systems.core import _digits
from counterpoint.systems.core._digits import as_rows, given, probed
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig

_STEPS = 400

MakeEncoder = Callable[[int], nn.Module]


def halves(images: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """The pixels above and below the middle; a row in the middle is in neither."""
    rows = images.shape[2] // 2
    return images[:, :, :rows].flatten(1), images[:, :, -rows:].flatten(1)


class Half(PixelEncoder):
    """An encoder of the upper or the lower half of an image."""

    def __init__(self, network: nn.Module, dim: int, *, top: bool) -> None:
        super().__init__()
        self.network, self.dim, self.top = network, dim, top

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """Its half's vectors."""
        z: Tensor = self.network(halves(images)[0 if self.top else 1])
        return z


def with_itself(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Each image is paired with itself, of which the other tower sees the other half."""
    del encoder, seed
    return replace(data, others=data.anchors, positives=data.anchor[:, None], columns={})


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
        model, _ = of_halves("halves", make, lambda: objective).make(as_rows(parts[0]), seed)
        assert isinstance(model, Towers)
        self.model = model

    def accuracy(self) -> float:
        """Of a linear probe on the vectors of top halves."""
        return probed(lambda images: self.model.query.encode(images.pixels), self.parts)  # type: ignore[operator]

    def information(self) -> float:
        """The estimate, in nats, on test images."""
        with torch.no_grad():
            top, bottom = (tower(self.parts[1].pixels) for tower in (self.model.query, self.model.document))
            guess = self.objective.guess(len(top), len(bottom))
            assert guess is not None
            return guess - float(self.objective(top, bottom))


def of_halves(name: str, make: MakeEncoder, objective: Callable[[], Objective]) -> Recipe:
    """One encoder of top halves and another of bottom halves, which are each other's positives."""

    def start(data: Data, seed: int) -> Towers:
        del seed
        width = halves(data.anchors.tensor[:1])[0].shape[1]
        return Towers(*(Half(make(width), width, top=top) for top in (True, False)))

    settings = TrainConfig(
        steps=_STEPS, batch_size=128, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1
    )
    stage = Stage(objective, settings, prepare=(with_itself,))
    return Recipe(name, (stage,), Takes("image"), start, similarity="dot", own_start=True)


def width_of(images: Images) -> int:
    """Numbers in half an image."""
    return halves(images.pixels[:1])[0].shape[1]


def _pixels(parts: tuple[Images, Images]) -> float:
    """Of a probe on top halves as they are, which is where an invertible encoder starts."""
    return probed(lambda images: halves(images.pixels)[0].numpy(), parts)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = _digits.halves(seed)
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


def _run(method: Recipe, source: str | None, output: Path, say: Say) -> Figures:
    """Invertible encoders of the halves of images, digits or the user's."""
    from safetensors.torch import save_file

    from counterpoint.files import atomic

    parts = given(method, source)
    say(f"{parts[0].source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test; halves are the views")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        objective = InfoNCE(1.0, geometry=bilinear(width_of(parts[0])))
    learned = Learned(parts, Invertible, objective, 0)
    with atomic(output / "encoder.safetensors") as part:
        save_file(learned.model.state_dict(), part)
    return {
        "pixels of the top half: probe accuracy": _pixels(parts),
        f"{method.name}: probe accuracy": learned.accuracy(),
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
def mutual_information() -> Recipe:
    """Tschannen et al. 2020, section 3: InfoNCE between the halves of an image, invertible encoders, bilinear critic.

    The critic here is that of digits, whose halves have 32 pixels.
    """
    return of_halves("On MI Maximization", Invertible, lambda: InfoNCE(1.0, geometry=bilinear(32)))
