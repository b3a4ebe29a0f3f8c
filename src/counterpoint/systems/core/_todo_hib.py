"""HIB: points are distributions, and who is not sure of himself says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import PixelEncoder
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import HedgedMatch, SoftContrastive, StandardNormal
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import run_on_images, trained
from counterpoint.systems.core._labelled import labelled
from counterpoint.systems.core._recipes import BATCH, small
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

_DRAWS, _DIM, _STEPS, _LOWER = 4, 3, 600, 6.0


def occlude(pixels: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Bool[Tensor, " n"]]:
    """Each image with an even chance that its upper, lower, left or right half is hidden; and whether it is."""
    n, _, h, w = pixels.shape
    hidden, side = torch.rand(n) < 0.5, torch.randint(4, (n,))
    masks = torch.ones(4, h, w)
    masks[0, : h // 2], masks[1, h // 2 :], masks[2, :, : w // 2], masks[3, :, w // 2 :] = 0, 0, 0, 0
    return pixels * torch.where(hidden[:, None, None], masks[side], 1.0)[:, None], hidden


class Variance(nn.Module):
    """`(mean, log variance)` with the log-variance so much lower: noise as wide as the means would drown them."""

    def __init__(self, lower: float) -> None:
        super().__init__()
        self.lower = lower

    def forward(self, z: Float[Tensor, "n d2"]) -> Float[Tensor, "n d2"]:
        """The same means."""
        mean, log_variance = z.chunk(2, 1)
        return torch.cat([mean, log_variance - self.lower], 1)


def uncertainty(model: PixelEncoder, head: nn.Module, learned: HedgedMatch, images: Images) -> np.ndarray:
    """`1 - p(match)` of each image with itself (section 3.4), by 64 draws, with the scale and bias learned."""
    geometry = HedgedMatch(64, scale=learned.log_scale.exp().item(), bias=learned.bias.item())
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        z = head(torch.from_numpy(model.encode(images.pixels)))
        drawn = [geometry.prepare(z) for _ in range(2)]
        log_p = torch.cat([geometry.owned(a[None], b[None, None], 1.0)[0] for a, b in zip(*drawn, strict=True)])
    return np.asarray(1 - log_p.exp().numpy())


def points_only() -> Recipe:
    """The baseline: the same loss on the means alone."""
    certain = lambda width: nn.Sequential(projection(width, out=2 * _DIM), Variance(40.0))  # noqa: E731
    return hib().varied("points", objective=lambda: matching(1), head=certain)


def matching(draws: int) -> SoftContrastive:
    """Pairs of one class match. Distances of the start are far below one."""
    return SoftContrastive(geometry=HedgedMatch(draws, scale=10.0, bias=2.0), relation=Relation(same("label")))


def means(model: PixelEncoder, head: nn.Module, images: Images) -> np.ndarray:
    """The middle of each image's distribution."""
    with torch.inference_mode():
        return np.asarray(head(torch.from_numpy(model.encode(images.pixels)))[:, :_DIM].numpy())


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    from sklearn.neighbors import KNeighborsClassifier

    train, test = digits().split(seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pixels, hidden = occlude(test.pixels)
    test = replace(test, pixels=pixels)

    def right(model: PixelEncoder, head: nn.Module) -> np.ndarray:
        neighbours = KNeighborsClassifier(5).fit(means(model, head, train), train.labels.numpy())
        return np.asarray(neighbours.predict(means(model, head, test)) == test.labels.numpy())

    objective = hib().stages[0].objective()
    model, head = trained(hib().varied("HIB", objective=lambda: objective), train, seed)
    (learned,) = (part for part in objective.modules() if isinstance(part, HedgedMatch))
    unsure, known = uncertainty(model, head, learned, test), right(model, head)
    worst = unsure > np.median(unsure)
    occlusion = (float(unsure[hidden.numpy()].mean()), float(unsure[~hidden.numpy()].mean()))
    errors = (float(known[~worst].mean()), float(known[worst].mean()))
    points = right(*trained(points_only(), train, seed))
    return (occlusion, errors, (float(known.mean()), float(points.mean()))), {}


@system(
    "HIB",
    title="Modeling Uncertainty with Hedged Instance Embedding",
    year=2018,
    family="core",
    mechanism="tests/systems/test_hib.py::test_match_probability_is_the_mean_over_all_pairs_of_draws",
    run=run_on_images,
    claims=(
        Claim("Ambiguous images are less certain", "uncertainty of occluded test images", "that of the others"),
        Claim(
            "Who is certain is right more often",
            "5-nearest-neighbour accuracy of the more certain half",
            "that of the less certain half",
        ),
        Claim("Hedging does not cost accuracy", "5-nearest-neighbour accuracy", "points, same loss"),
    ),
    measure=_measure,
    setup="scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a perceptron of 256 and 64 units "
    f"from scratch, {_STEPS} steps of {BATCH} images twice, AdamW at 3e-3. Half of the images, in training anew each "
    f"time, have one half of the picture hidden. Embeddings of {_DIM} dimensions, {_DRAWS} draws each in training, "
    f"log-variance {-_LOWER} to begin with; matches are those of one class. Neighbours by the distance of means, among "
    "whole training images. Not to cost is tested as to gain.",
)
def hib() -> Recipe:
    """Oh et al. 2019: matching by class, beta 1e-4, three dimensions."""
    relation = Relation(same("label"))
    base = small(simclr(), _STEPS)
    return base.varied(
        "HIB",
        takes=labelled(),
        objective=lambda: matching(_DRAWS) + 1e-4 * StandardNormal(relation=relation, geometry=Dot()),
        head=lambda width: nn.Sequential(projection(width, out=2 * _DIM), Variance(_LOWER)),
        view=lambda pixels: occlude(pixels)[0],
        train=replace(base.stages[0].train, learning_rate=3e-3),
    )
